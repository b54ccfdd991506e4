import { useState } from "react";
import { socket } from "./socket";

export function Quiz({ round }) {
  const [answers, setAnswers] = useState([]);
  const ask = () => {
    socket.emit("question", round);
    socket.on("answer", (answer) => setAnswers((all) => [...all, answer])); // expect: listener-in-handler
  };
  return (
    <form onSubmit={ask}>
      <input
        onChange={(event) => {
          socket.on("hint", () => event.target.blur()); // expect: listener-in-handler
        }}
      />
      <b>{answers.length}</b>
    </form>
  );
}

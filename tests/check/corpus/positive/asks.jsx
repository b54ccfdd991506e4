import { useEffect, useState } from "react";
import { socket } from "./socket";

export function Quiz({ round }) {
  const [answers, setAnswers] = useState([]);
  const ask = () => {
    socket.emit("question", round);
    socket.on("answer", (answer) => setAnswers((all) => [...all, answer])); // expect: listener-in-handler
  };
  useEffect(() => {
    const press = () => {
      socket.on("pressed", console.log); // expect: listener-in-handler
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, []);
  const turn = (page) => {
    socket.on("page", console.log); // expect: listener-in-handler
    socket.emit("turn", page);
  };
  return (
    <form onSubmit={ask}>
      <input
        onChange={(event) => {
          socket.on("hint", () => event.target.blur()); // expect: listener-in-handler
        }}
      />
      <Pages onTurned={(page) => turn(page)} />
      <Hints
        onOpened={() => {
          socket.on("opened", console.log); // expect: listener-in-handler
        }}
      />
      <b>{answers.length}</b>
    </form>
  );
}

export function Lobby() {
  const enter = (room) => {
    socket.emit("enter", room);
    socket.on("entered", show); // expect: listener-in-handler
  };
  return <Rooms handleEnter={enter} />;
}

export function Login({ enter }) {
  // React ignores what a handler returns, and so does a socket.
  const check = (answer) => {
    socket.on("refused", console.log); // expect: listener-in-handler
    return () => socket.off("refused", console.log);
  };
  const submit = () => {
    socket.emit("login");
    socket.on("logged-in", enter); // expect: listener-in-handler
    return () => {
      socket.off("logged-in", enter);
    };
  };
  useEffect(() => {
    socket.on("answer", check);
    return () => socket.off("answer", check);
  }, []);
  return <form onSubmit={submit} />;
}

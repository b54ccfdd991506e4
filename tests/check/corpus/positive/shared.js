// The client comes from another module: only its name tells what it is.
import { socket } from "./socket";

export function start() {
  socket.on("connect", () => {
    socket.emit("hello");
    socket.on("welcome", console.log); // expect: listener-in-connect
  });
}

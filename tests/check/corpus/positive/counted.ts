// An id that a function makes, wherever it is used as one.
import { io } from "socket.io-client";

const socket = io();
let count = 0;

function numbered() {
  count += 1;
  return socket.id + "/" + count; // expect: id-from-socket-id
}

export function send(text: string) {
  const messageId = numbered();
  socket.emit("text", { messageId, text });
}

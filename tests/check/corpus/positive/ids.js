import { io } from "socket.io-client";

const socket = io();
let counter = 0;

export function send(text) {
  const clientOffset = `${socket.id}-${counter++}`; // expect: id-from-socket-id
  socket.emit("chat", text, clientOffset);
  socket.emit("chat", { messageId: socket.id + "-" + counter, text }); // expect: id-from-socket-id
  socket.emit("chat", text, `${socket.id}:${Date.now()}`); // expect: id-from-socket-id
  socket.emit("chat", { messageId: [socket.id, counter].join("-"), text }); // expect: id-from-socket-id
}

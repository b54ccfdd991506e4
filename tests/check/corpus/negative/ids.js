import { io } from "socket.io-client";

const socket = io();

export function send(text) {
  const id = crypto.randomUUID();
  const room = `${socket.id}-${text.length}`;
  const randomId = `${socket.id}${Math.random()}`;
  socket.emit("chat", { id, text, sender: socket.id, randomId });
  socket.emit("join", { room, userId: socket.id });
  socket.emit("seats", { id: [socket.id, text].includes(owner) });
  console.log(`connected as ${socket.id} at ${Date.now()}`);
}

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

// Functions that return ids, and call each other or themselves.
let turn = 0;
function even(n) {
  if (n % 2) return odd(n);
  return `${socket.id}:${n}`; // expect: id-from-socket-id
}
function odd(n) {
  if (n % 2) return `${socket.id}/${n}`; // expect: id-from-socket-id
  return even(n);
}
function again() {
  if (turn > 9) return again((turn = 0));
  return socket.id + turn++; // expect: id-from-socket-id
}
socket.emit("note", { messageId: even(1) }, { messageId: odd(1) }, { messageId: again() });

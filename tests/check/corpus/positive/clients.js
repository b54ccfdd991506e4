// Clients made again and again.
import io, { Manager } from "socket.io-client";

let socket = io("https://example.org");
let second;

socket.on("connect", () => {
  second = io("https://example.org/second"); // expect: client-in-handler
});

socket.on("disconnect", () => {
  setTimeout(open, 1000);
});

socket.on("connect_error", () => {
  new Manager("https://example.org"); // expect: client-in-handler
});

function open() {
  socket = io("https://example.org"); // expect: client-in-handler
}

const list = new Set();
socket.on("reconnect_failed", () => {
  const next = io("https://example.org/next"); // expect: client-in-handler
  next.on("news", () => list.clear());
});

socket.on("connect", () => {
  second = io("https://example.org/once", { reconnection: false }); // expect: client-in-handler
});


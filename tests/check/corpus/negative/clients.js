import { io } from "socket.io-client";

let socket = open();
let other;

function open() {
  return io("https://example.org", { reconnection: false });
}

socket.on("disconnect", () => {
  socket = open();
});

socket.on("connect", () => {
  if (other) other.disconnect();
  other = io("https://example.org/other");
});

const lasting = io("https://example.org");
let lazy;
lasting.on("connect", () => {
  lazy ??= io("https://example.org/lazy");
});

export const makeClient = () => io("https://example.org/made");

window.addEventListener("online", () => {
  lazy.disconnect();
  lazy = io("https://example.org/lazy");
});
window.addEventListener("pageshow", () => {
  if (!other) other = io("https://example.org/other");
});

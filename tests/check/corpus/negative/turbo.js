// A client that goes with its page, and pages that only send.
import { io } from "socket.io-client";
const kept = io();
let socket;

document.addEventListener("turbo:load", () => {
  socket = io("/page");
  socket.on("post", console.log);
  kept.emit("page", location.pathname);
});
document.addEventListener("turbo:before-cache", () => socket.disconnect());
document.addEventListener("DOMContentLoaded", () => {
  kept.on("post", console.log);
});

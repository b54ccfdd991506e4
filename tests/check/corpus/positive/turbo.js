// A router that shows the next page without loading scripts anew tells so by an event.
import { io } from "socket.io-client";
import { socket as shared } from "./socket";

document.addEventListener("astro:page-load", () => {
  const socket = io(); // expect: client-in-handler
  socket.on("post", console.log);
});
addEventListener("turbo:load", () => {
  shared.on("post", console.log); // expect: listener-without-cleanup
});

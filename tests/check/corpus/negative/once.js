// Used up before the handler runs again.
import { io } from "socket.io-client";

const socket = io();
socket.on("connect", () => {
  const since = Date.now();
  socket.once("disconnect", () => log(Date.now() - since));
});
socket.on("disconnect", (reason) => {
  socket.once("connect", () => log("back after", reason));
});

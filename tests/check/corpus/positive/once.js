// One-time listeners pile up while their event does not come.
import { io } from "socket.io-client";

const socket = io();
socket.on("connect", () => {
  socket.once("ready", start); // expect: listener-in-connect
});
socket.on("connect_error", () => {
  socket.once("connect", start); // expect: listener-in-connect
});

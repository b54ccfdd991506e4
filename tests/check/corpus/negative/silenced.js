import { io } from "socket.io-client";

const socket = io();
socket.on("connect", () => {
  socket.on("news", console.log); // sio-demo: ignore[listener-in-connect]
  // sio-demo: ignore[timer-in-connect, listener-in-connect]
  setInterval(() => socket.emit("alive"), 1000);
});

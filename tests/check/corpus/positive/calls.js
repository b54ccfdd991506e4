import { io } from "socket.io-client";

export function notify(text) {
  const socket = io("/news"); // expect: client-in-handler
  socket.emit("news", text);
}

export const alarm = (text) => {
  io("/alarms").emit("alarm", text); // expect: client-in-handler
};

form.addEventListener("submit", () => {
  const socket = io("/rooms"); // expect: client-in-handler
  socket.on("news", show);
});

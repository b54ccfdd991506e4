import { io } from "socket.io-client";

export function notify(text) {
  const socket = io("/news");
  socket.emit("news", text, () => socket.close());
}

export function connect(room) {
  const socket = io("/rooms");
  socket.emit("join", room);
  return socket;
}

function main() {
  const socket = io("/main");
  socket.emit("hello");
}
main();

form.addEventListener("submit", () => {
  const socket = io("/rooms");
  form.room = new Room(socket);
});

button.addEventListener("click", function start() {
  button.removeEventListener("click", start);
  const socket = io("/game");
  socket.on("turn", show);
});

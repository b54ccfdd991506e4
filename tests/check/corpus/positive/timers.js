import { io } from "socket.io-client";

const socket = io();
let kept;

socket.on("connect", () => {
  setInterval(() => socket.emit("alive"), 1000); // expect: timer-in-connect
  kept = setInterval(poll, 5000); // expect: timer-in-connect
  tick();
  const once = setTimeout(() => socket.emit("late"), 100);
  clearTimeout(once);
});

function tick() {
  socket.emit("tick");
  setTimeout(tick, 1000); // expect: timer-in-connect
}

function poll() {
  socket.emit("poll", Date.now());
}

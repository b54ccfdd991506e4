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

// Cleared where it does not help: behind a button, and under a name of another scope.
class Meter {
  start(url) {
    this.socket = io(url);
    this.socket.on("connect", () => {
      this.meter = setInterval(() => this.socket.emit("value"), 1000); // expect: timer-in-connect
    });
  }
  onPauseClick() {
    clearInterval(this.meter);
  }
}
const probe = io("/probe");
probe.on("connect", () => {
  const ping = setInterval(() => probe.emit("ping"), 1000); // expect: timer-in-connect
});
probe.on("disconnect", () => clearInterval(ping));
new Meter().start("/");

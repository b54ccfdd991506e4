import { io } from "socket.io-client";

const socket = io();
let timer;
let started = false;

socket.on("connect", () => {
  timer = setInterval(() => socket.emit("alive"), 1000);
  setTimeout(() => socket.emit("once"), 1000);
});
socket.on("disconnect", () => clearInterval(timer));

socket.on("connect", () => {
  if (started) return;
  started = true;
  setInterval(() => socket.emit("guarded"), 1000);
});

socket.on("connect", () => {
  let left = 3;
  const countdown = setInterval(() => {
    left -= 1;
    if (left === 0) clearInterval(countdown);
  }, 1000);
  retry();
});

function retry() {
  if (socket.connected) return;
  setTimeout(retry, 1000);
}

setInterval(() => socket.emit("outside"), 1000);

class Gauge {
  start(url) {
    this.socket = io(url);
    this.socket.on("connect", () => {
      this.gauge = setInterval(() => this.socket.emit("value"), 1000);
    });
    this.socket.on("disconnect", () => this.stop());
  }
  stop() {
    clearInterval(this.gauge);
  }
}
new Gauge().start("/");

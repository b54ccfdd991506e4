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

const beats = new Map();
socket.on("connect", () => beats.set(socket.id, setInterval(() => socket.emit("beat"), 1000)));
socket.on("disconnect", () => beats.forEach((beat) => clearInterval(beat)));
socket.on("start", () => setInterval(() => socket.emit("by an ordinary event"), 1000));

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

// A timer kept in a collection is cleared by its key.
const { Server } = require("socket.io");
const io = new Server(3000);
const loops = new Map();
const ticks = {};

io.on("connection", (peer) => {
  peer.on("start", (table) => {
    halt(table);
    const loop = setInterval(() => io.to(table).emit("turn"), 1000);
    loops.set(table, loop);
    const tick = setInterval(() => io.to(table).emit("tick"), 1000);
    ticks[table] = tick;
  });
  peer.on("disconnect", () => clearInterval(ticks[peer.id]));
});

function halt(table) {
  const loop = loops.get(table);
  if (loop) clearInterval(loop);
}

// A timer ends itself, through a function of its own.
const stopTimer = (timer) => clearInterval(timer);
io.on("connection", (peer) => {
  peer.on("turn", (left) => {
    const turn = setInterval(() => {
      peer.emit("left", left);
      if (left-- === 0) stopTimer(turn);
    }, 1000);
  });
});

// Cleared in 'disconnect', before the next start, or only when somebody calls stop().
import { io } from "socket.io-client";
export function createTicker(url) {
  const socket = io(url);
  let timer = null;
  let poll;
  socket.on("connect", () => {
    timer = setInterval(() => socket.emit("tick"), 500); // expect: timer-in-connect
    poll = setInterval(() => socket.emit("poll"), 500);
  });
  socket.on("disconnect", () => { clearInterval(poll); });
  return { stop() { clearInterval(timer); } };
}
class A {
  constructor() {
    this.s = io();
    this.s.on("connect", () => this.begin());
    this.s.on("disconnect", this.halt.bind(this));
  }
  begin() { this.t = setInterval(() => this.s.emit("x"), 1); }
  halt() { clearInterval(this.t); }
}
const b = io("/b");
b.on("connect", () => {
  clearInterval(window.beat);
  window.beat = setInterval(() => b.emit("y"), 1);
});

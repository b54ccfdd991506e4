// What looks like a listener in connect and is right.
import { io } from "socket.io-client";

const socket = io("https://example.org");
const show = (data) => console.log(data);
let registered = false;

socket.on("news", show);

socket.on("connect", () => {
  socket.emit("join", "news", (answer) => show(answer));
  const { engine } = socket.io;
  engine.once("upgrade", () => show(engine.transport.name));
  socket.io.engine.on("packet", show);
});

socket.on("connect", () => {
  socket.off("taken-off");
  socket.on("taken-off", show);
  socket.removeAllListeners("all").on("all", show);
  ["each", "other"].forEach((event) => socket.off(event));
  socket.on("each", show);
  if (!registered) {
    registered = true;
    socket.on("guarded", show);
  }
  if (!socket.hasListeners("asked")) {
    socket.on("asked", show);
  }
});

socket.on("connect", () => {
  socket.on("paired", show);
});
socket.on("disconnect", () => {
  socket.off("paired", show);
});

socket.once("connect", () => {
  socket.on("once", show);
});

socket.on("connect", function first() {
  socket.off("connect", first);
  socket.on("first", show);
});

const single = io("https://example.org", { reconnection: false });
single.on("connect", () => {
  single.on("single", show);
});

const peer = new RTCPeerConnection();
socket.on("connect", () => {
  const channel = peer.createDataChannel("news");
  channel.addEventListener("message", () => show());
  document.addEventListener("click", show);
  document.querySelector("button").onclick = () => socket.emit("pressed");
});

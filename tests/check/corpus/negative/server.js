// The server gives each connection a socket of its own: listeners on it do not add up.
const { Server } = require("socket.io");
const { EventEmitter } = require("node:events");

const io = new Server(3000);
const bus = new EventEmitter();
const rooms = new Map();

io.on("connection", (socket) => {
  socket.on("message", (text) => io.emit("message", text));
  socket.on("join", (room) => {
    socket.join(room);
    socket.once("leave", () => socket.leave(room));
  });

  const tell = (text) => socket.emit("news", text);
  bus.on("news", tell);
  const timer = setInterval(() => socket.emit("time", Date.now()), 1000);
  socket.on("disconnect", () => {
    bus.off("news", tell);
    clearInterval(timer);
  });

  const own = new EventEmitter();
  own.on("done", tell);
  socket.conn.on("upgrade", () => tell("upgraded"));
  rooms.get(socket.id)?.on("end", tell);
});

io.of("/chat").on("connection", (socket) => {
  socket.on("say", (text) => socket.nsp.emit("say", text));
});

io.sockets.on("connect", function (client) {
  client.on("hello", () => client.emit("welcome"));
});

bus.on("alarm", (text) => io.emit("alarm", text));
setInterval(() => io.emit("time", Date.now()), 1000);

// A server: what every connection adds to something that they share.
const { Server } = require("socket.io");
const { EventEmitter } = require("node:events");
const redis = require("redis");

const io = new Server(3000);
const bus = new EventEmitter();
const subscriber = redis.createClient();

io.on("connection", (socket) => {
  bus.on("news", (text) => socket.emit("news", text)); // expect: shared-emitter-in-connection
  process.on("SIGTERM", () => socket.disconnect()); // expect: shared-emitter-in-connection
  subscriber.subscribe("prices", (price) => socket.emit("price", price)); // expect: shared-emitter-in-connection
  io.of("/").adapter.on("join-room", () => {}); // expect: shared-emitter-in-connection
  setInterval(() => io.emit("time", Date.now()), 1000); // expect: timer-in-connect
  socket.on("hello", () => socket.emit("welcome"));
  socket.on("open", () => {
    io.of("/rooms").on("connection", connected); // expect: shared-emitter-in-connection
  });
  socket.on("watch", (every) => {
    setInterval(() => socket.emit("watched"), every); // expect: timer-in-connect
  });
});

io.of("/admin").on("connection", connected);

function connected(socket) {
  socket.on("stop", () => process.exit());
  bus.addListener("alarm", (text) => socket.emit("alarm", text)); // expect: shared-emitter-in-connection
  const clear = () => socket.emit("clear");
  bus.on("clear", clear);
  socket.on("disconnect", () => bus.off("clear", clear)); // takes nothing but its own back
}

io.on("connection", (owner) => {
  io.of("/guests").on("connection", (guest) => { // expect: shared-emitter-in-connection
    owner.on("page", (page) => guest.emit("page", page)); // expect: shared-emitter-in-connection
  });
});

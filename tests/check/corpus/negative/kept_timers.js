// Timers that are kept in a collection of the process, and stopped when their client goes.
const { Server } = require("socket.io");
const io = new Server(3000);
const beats = new Map();
const clocks = {};

io.on("connection", (socket) => {
  const beat = setInterval(() => io.emit("beat"), 1000);
  beats.set(socket.id, beat);
  socket.on("disconnect", () => clearInterval(beats.get(socket.id)));
});

io.of("/clock").on("connection", (socket) => {
  const clock = setInterval(() => io.emit("clock"), 1000);
  clocks[socket.id] = clock;
  socket.on("disconnect", () => {
    clearInterval(clocks[socket.id]);
  });
});

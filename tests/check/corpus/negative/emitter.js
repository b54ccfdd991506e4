// In a function that is no arrow, `this` is the socket; and a consumer that is cancelled ends.
const { Server } = require("socket.io");
const { channel } = require("./broker");

const io = new Server(3000);
io.on("connection", function () {
  this.on("sale", (sale) => this.broadcast.emit("sale", sale));
});
io.on("connection", (socket) => {
  channel.consume("sales", (sale) => socket.emit("sold", sale), { consumerTag: socket.id });
  socket.on("disconnect", () => channel.cancel(socket.id));
});
io.on("connection", (socket) => {
  const rhythm = [setInterval(() => socket.emit("tick"), 1000)];
  rhythm.push(setInterval(() => socket.emit("tock"), 2000));
  socket.on("disconnect", () => rhythm.forEach(clearInterval));
});

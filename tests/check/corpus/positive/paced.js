// What stops the timer is a message that may never come.
const { Server } = require("socket.io");
const io = new Server(3000);

io.on("connection", (socket) => {
  const pace = setInterval(() => socket.emit("pace"), 400); // expect: timer-in-connect
  socket.on("rest", () => clearInterval(pace));
});
io.on("connection", (socket) => {
  const pace = setInterval(() => socket.emit("pace"), 400);
  socket.on("rest", () => clearInterval(pace));
  socket.on("disconnecting", () => clearInterval(pace));
});

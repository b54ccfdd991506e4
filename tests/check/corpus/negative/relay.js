// A relay that closes what it opened for a connection.
const { Server } = require("socket.io");
const { io } = require("socket.io-client");

new Server(3000).on("connection", (socket) => {
  const behind = io("https://example.org");
  behind.on("news", (item) => socket.emit("news", item));
  socket.on("disconnect", () => behind.disconnect());
});

// A server that relays: each connection opens another client of the server behind it.
const { Server } = require("socket.io");
const { io } = require("socket.io-client");

new Server(3000).on("connection", (socket) => {
  const behind = io("https://example.org"); // expect: client-in-handler
  behind.on("news", (item) => socket.emit("news", item));
});

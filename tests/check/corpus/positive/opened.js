// What each connection adds to what is there for all.
const { Server } = require("socket.io");
const fs = require("fs");
const io = new Server(3000);

io.on("connection", (socket) => {
  fs.watchFile("routes.json", () => socket.emit("routes")); // expect: shared-emitter-in-connection
});

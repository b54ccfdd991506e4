// The server comes from elsewhere: only its name, and `sockets`, tell.
const feed = require("./feed").open();

io.sockets.on("connection", function (socket) {
  feed.on("item", (item) => socket.emit("item", item)); // expect: shared-emitter-in-connection
});

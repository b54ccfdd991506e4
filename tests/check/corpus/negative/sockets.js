// The server's handlers in a module of their own.
module.exports = (io, store) => {
  io.on("connect", (socket) => {
    socket.on("read", async (id, done) => done(await store.get(id)));
    socket.emit("messageId", `${socket.id}-${Date.now()}`);
  });
};

// The last socket that has connected is kept for others; its listeners are its own.
module.exports.shown = (io) => {
  let screen;
  io.on("connection", (socket) => {
    screen = socket;
    screen.on("page", (page) => console.log(page));
  });
  return () => screen;
};

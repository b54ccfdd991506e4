// The server's handlers in a module of their own.
module.exports = (io, store) => {
  io.on("connect", (socket) => {
    socket.on("read", async (id, done) => done(await store.get(id)));
    socket.emit("messageId", `${socket.id}-${Date.now()}`);
  });
};

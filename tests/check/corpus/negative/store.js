// A cache, whose value is used; a name that is free, with no work in between; a user.
const io = require("socket.io")(3000);
io.on("connection", (socket) => {
  socket.on("product", async (product, ack) => {
    const cached = await redis.get(`product/${product.id}`);
    if (cached) return ack(cached);
    const found = await load(product);
    await redis.set(`product/${product.id}`, found);
    ack(found);
  });
  socket.on("room", async (room, ack) => {
    if (await redis.exists(`rooms/${room.id}`)) return ack("taken");
    await redis.set(`rooms/${room.id}`, socket.id);
    ack("yours");
  });
  socket.on("hello", async () => {
    if (await redis.exists(`online/${socket.user.id}`)) return;
    await greet(socket);
    await redis.set(`online/${socket.user.id}`, "1");
  });
});

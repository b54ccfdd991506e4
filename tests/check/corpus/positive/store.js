// Redis is asked for the id of the message, and told after the work.
const io = require("socket.io")(3000);
io.on("connection", (socket) => {
  socket.on("payment", async (payment, ack) => {
    if (await redis.get(`payments/${payment.id}`)) return ack("known"); // expect: check-then-await
    await charge(payment);
    await redis.set(`payments/${payment.id}`, "1");
    ack("ok");
  });
});

// An id is asked for and marked on two sides of a wait, whatever keeps it.
const { Server } = require("socket.io");
const redis = require("./redis");
const io = new Server(3000);
const done = new Map();
const applied = {};
const seen = new Set();

io.on("connection", (socket) => {
  socket.on("pay", async (payment, ack) => {
    const before = done.get(payment.id); // expect: check-then-await
    if (before) return ack(before);
    const receipt = await charge(payment);
    done.set(payment.id, receipt);
    ack(receipt);
  });
  socket.on("move", async (move) => {
    if (move.id in applied) return; // expect: check-then-await
    await store(move);
    applied[move.id] = true;
  });
  socket.on("vote", async (vote) => {
    if (!applied[vote.voteId]) { // expect: check-then-await
      await count(vote);
      applied[vote.voteId] = Date.now();
    }
  });
  socket.on("refund", (refund) => {
    if (seen.has(refund.id)) return; // expect: check-then-await
    send(refund)
      .then((answer) => log(answer))
      .then(() => {
        seen.add(refund.id);
      });
  });
  socket.on("ship", async (order) => {
    const key = `processed:${order.id}`;
    if (await redis.exists(key)) return; // expect: check-then-await
    await ship(order);
    await redis.set(key, 1, "EX", 3600);
  });
  socket.on("mail", async (mail) => {
    if (await redis.sismember("delivered", mail.id)) return; // expect: check-then-await
    await deliver(mail);
    await redis.sadd("delivered", mail.id);
  });
});
io.on("connection", (socket) => {
  socket.on("note", async (note) => {
    const known = await Note.findOne({ messageId: note.messageId }); // expect: check-then-await
    if (!known) return Note.create(note);
  });
});

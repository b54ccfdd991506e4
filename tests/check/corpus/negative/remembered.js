// Marked before the wait, in one step, or a cache that holds what was read.
const { Server } = require("socket.io");
const redis = require("./redis");
const io = new Server(3000);
const done = new Map();
const users = {};

io.on("connection", (socket) => {
  socket.on("pay", async (payment) => {
    if (done.get(payment.id)) return;
    done.set(payment.id, true);
    await charge(payment);
  });
  socket.on("ship", async (order) => {
    if (!(await redis.set(`processed:${order.id}`, 1, "NX"))) return;
    await ship(order);
  });
  socket.on("lease", async (order) => {
    if (await redis.get(`done:${order.id}`)) return;
    if (!(await redis.set(`done:${order.id}`, 1, { NX: true }))) return;
    await ship(order);
  });
  socket.on("who", async (name, ack) => {
    if (!users[name]) {
      users[name] = await load(name);
      await touch(name);
      users[name] = { ...users[name], touched: true };
    }
    const letter = await redis.get(`message:${name}`);
    if (letter) return ack(letter);
    await redis.set(`message:${name}`, "none");
    const kept = await redis.get(`profile:${name}`);
    if (kept) return ack(kept);
    const profile = await read(name);
    await redis.set(`profile:${name}`, profile);
    ack(profile);
  });
});

// Whether someone is busy: the field of a hash is whom it is about.
io.on("connection", (socket) => {
  socket.on("call", async ({ calleeId }) => {
    const taken = await redis.hGet("calls", calleeId);
    if (taken) return socket.emit("busy");
    await redis.hSet("calls", calleeId, socket.id);
  });
});

// A reply needs the message that it is for: what is missing ends the handler.
io.on("connection", (socket) => {
  socket.on("reply", async ({ messageId, body }) => {
    const first = await db.messages.findFirst({ where: { OR: [{ messageId }, { id: messageId }] } });
    if (!first) {
      throw new Error("nothing to reply to");
    }
    await db.messages.create({ data: { thread: first.id, body } });
  });
});

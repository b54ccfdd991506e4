// Asked with get(), with an index, and in Redis by a name.
const io = require("socket.io")(3000);
const ids = new Map();
const done = Object.create(null);
io.on("connection", (socket) => {
  socket.on("a", async (msg, ack) => {
    const prior = ids.get(msg.id); // expect: check-then-await
    if (prior !== undefined) { ack(prior); return; }
    const r = await work(msg);
    ids.set(msg.id, r);
  });
  socket.on("b", (msg) => {
    if (!done[msg.msgId]) { // expect: check-then-await
      save(msg).then(() => { done[msg.msgId] = true; });
    }
  });
  socket.on("c", async (msg) => {
    const exists = await client.exists("msg:" + msg.id); // expect: check-then-await
    if (exists) return;
    await save(msg);
    await client.set("msg:" + msg.id, "1");
  });
  socket.on("f", async (msg) => {
    const value = await client.get(`message:${msg.id}`); // expect: check-then-await
    if (value) return;
    await save(msg);
    await client.set(`message:${msg.id}`, "1");
  });
  socket.on("g", async (order) => {
    const before = await client.get(`k:${order.id}`); // expect: check-then-await
    if (before) return;
    await save(order);
    await client.set(`k:${order.id}`, "1");
  });
  socket.on("h", async (order) => {
    const price = await client.get(`price:${order.id}`); // a cache: its value is used
    if (price) return socket.emit("price", price);
    await client.set(`price:${order.id}`, await look(order));
  });
  socket.on("d", async (msg) => {
    if (done[msg.msgId]) return;
    done[msg.msgId] = true;
    await save(msg);
  });
  socket.on("e", async (msg) => {
    const ok = await client.set("msg:" + msg.id, "1", { NX: true });
    if (!ok) return;
    await save(msg);
  });
});

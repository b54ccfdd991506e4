import { Server } from "socket.io";
import { pay } from "./bank";

const io = new Server(3000);
const seen = new Set();
const handled = [];

io.on("connection", (socket) => {
  socket.on("pay", async (id, amount, done) => {
    if (seen.has(id)) return done("again"); // expect: check-then-await
    await pay(amount);
    seen.add(id);
    done("paid");
  });
  socket.on("order", async (message) => {
    if (!handled.includes(message.id)) { // expect: check-then-await
      const result = await pay(message.total);
      handled.push(message.id);
      socket.emit("ordered", result);
    }
  });
});

// The same with a table: two copies both find nothing, and both are stored.
io.on("connection", (socket) => {
  socket.on("say", async ({ clientMessageId, text }, done) => {
    const known = await Message.findOne({ clientMessageId }).lean(); // expect: check-then-await
    if (known) return done(known);
    const room = await Room.findById(socket.data.room);
    done(await Message.create({ clientMessageId, text, room }));
  });
  socket.on("note", async (note, done) => {
    let row = null;
    if (note.eventId) row = await prisma.note.findUnique({ where: { eventId: note.eventId } }); // expect: check-then-await
    if (!row) row = await prisma.note.create({ data: { eventId: note.eventId } });
    done(row.id);
  });
});

import { Server } from "socket.io";
import { fetchPage, pay } from "./work";

const io = new Server(3000);
const seen = new Set();
const pages = new Map();

io.on("connection", (socket) => {
  socket.on("pay", async (id, amount) => {
    if (seen.has(id)) return;
    seen.add(id);
    await pay(amount);
  });
  socket.on("log", (id) => {
    if (seen.has(id)) return;
    seen.add(id);
  });
  socket.on("page", async (url) => {
    if (pages.has(url)) return pages.get(url);
    pages.set(url, fetchPage(url));
    return await pages.get(url);
  });
});

io.on("connection", (socket) => {
  // The index decides, not the question before.
  socket.on("say", async ({ tempId, text }, done) => {
    const known = await Message.findOne({ tempId });
    if (known) return done(known);
    try {
      done(await Message.create({ tempId, text }));
    } catch (error) {
      if (error.code !== 11000) throw error;
      done(await Message.findOne({ tempId }));
    }
  });
  // A look-up of what is there, and a question that is not about messages.
  socket.on("edit", async ({ messageId, text }) => {
    const message = await Message.findOne({ messageId });
    if (!message) return;
    message.text = text;
    await message.save();
    await Log.create({ messageId });
  });
  socket.on("register", async ({ email }) => {
    const known = await User.findOne({ email });
    if (known) return;
    await User.create({ email });
  });
  // This database answers at once: nothing comes in between.
  socket.on("note", ({ messageId, text }) => {
    const known = notes.findOne({ messageId });
    if (!known) notes.insert({ messageId, text });
  });
  // What belongs to a message is not the message.
  socket.on("open", async (message) => {
    let room = await Room.findOne({ name: message.room });
    if (!room) room = await Room.create({ name: message.room });
    socket.join(room.name);
  });
  socket.on("visit", async ({ clientId, agentId }) => {
    let chat = await Chat.findOne({ clientId, agentId });
    if (!chat) chat = new Chat({ clientId, agentId });
    await chat.save();
  });
});

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

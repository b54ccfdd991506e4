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

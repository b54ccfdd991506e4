// A memory is asked by other means than `has`.
import { Server } from "socket.io";
import { ledger } from "./ledger";

const io = new Server(3000);
const processed = [];
const handled = {};

io.on("connection", (socket) => {
  socket.on("parcel", async (parcel) => {
    if (processed.some((p) => p.id === parcel.id)) return; // expect: check-then-await
    await ledger.write(parcel);
    processed.push(parcel);
  });
  socket.on("stamp", async (stamp) => {
    const before = processed.find((one) => one.stampId === stamp.stampId); // expect: check-then-await
    if (before) return;
    processed.push(await ledger.write(stamp), stamp);
    processed.push(stamp.stampId);
  });
  socket.on("letter", async (letter) => {
    if (Object.hasOwn(handled, letter.id)) return; // expect: check-then-await
    await ledger.write(letter);
    handled[letter.id] = true;
  });
  socket.on("card", async (card) => {
    if (!Object.prototype.hasOwnProperty.call(handled, card.id)) { // expect: check-then-await
      await ledger.write(card);
      handled[card.id] = true;
    }
  });
  socket.on("seal", async (seal) => {
    if (processed.some((id) => id === seal.id)) return; // expect: check-then-await
    await ledger.write(seal);
    processed.push(seal.id);
  });
});

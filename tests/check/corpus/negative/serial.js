// One at a time: who waits for a lock, or is given to one, finds the mark of the one before.
import { Server } from "socket.io";
import { Mutex } from "async-mutex";
import { ledger } from "./ledger";

const io = new Server(3000);
const turn = new Mutex();
const delivered = new Set();

io.on("connection", (socket) => {
  socket.on("parcel", async (parcel) => {
    const free = await turn.acquire();
    try {
      if (delivered.has(parcel.id)) return;
      await ledger.write(parcel);
      delivered.add(parcel.id);
    } finally {
      free();
    }
  });
  socket.on("letter", (letter) =>
    turn.runExclusive(async () => {
      if (delivered.has(letter.id)) return;
      await ledger.write(letter);
      delivered.add(letter.id);
    }),
  );
});

// The page of a schedule, in Node or in Chromium: an outbox, and a follower that notes what it sees.

import { IndexedDBStore, MemoryStore, Outbox, promised } from "../../sio_demo/delivery/js/outbox.mjs";
import { Follower, IndexedDBOffsets, MemoryOffsets } from "../../sio_demo/delivery/js/follower.mjs";

const QUICK = { ackTimeout: 400, retryDelay: 10, retryDelayMax: 50, interval: 200 };

/** What outlives a page: in Chromium, what IndexedDB has; in Node, what the caller holds. */
export function lasting() {
  const seen = [];
  const stores = [new MemoryStore(), new MemoryOffsets()];
  return { seen: () => seen, note: (_, { at }) => { seen.push(at); }, stores: () => stores };
}

export function onDisk() {
  const offsets = new IndexedDBOffsets("chaos", 1, (database) => {
    database.createObjectStore("seen", { autoIncrement: true });
  });
  return {
    seen: () => offsets.transact("readonly", (transaction) =>
      promised(transaction.objectStore("seen").getAll())),
    note: (transaction, { at }) => { transaction.objectStore("seen").add(at); },
    stores: () => [new IndexedDBStore("chaos"), offsets],
  };
}

/** Stores with one thing wrong, which the schedules must catch. */
const BROKEN = {
  none() {},
  "id-per-tab"(store) {
    store.load = () => store.restart(true);
  },
  "offset-beside"(_, offsets) {
    offsets.apply = async (topic, known, progress, work) => {
      await (offsets.transact?.("readwrite", work) ?? work(null));
      await offsets.save(topic, progress);
      return progress;
    };
  },
  "no-lock"(store) {
    store.lead = async () => () => {};
  },
};

export function open(io, url, place, { variant, transports }) {
  const socket = io(url, {
    transports, forceNew: true, reconnectionDelay: 10, reconnectionDelayMax: 50,
    timeout: 500, // a black hole may swallow a handshake
  });
  const [store, offsets] = place.stores();
  BROKEN[variant](store, offsets);
  const outbox = new Outbox(socket, store, QUICK);
  const follower = new Follower(socket, offsets, QUICK);
  follower.on("applied", place.note);
  follower.follow("orders").catch(() => {});
  return {
    seen: place.seen,
    errors: () => [outbox, follower].map(({ lastError }) => lastError && String(lastError)),
    /** Send messages; return when all are accepted. */
    accept: async (client, numbers) => {
      const receipts = numbers.map((number) => outbox.send("order", { client, number }));
      await Promise.all(receipts.map(({ accepted }) => accepted));
    },
    /** Send messages; return when all are answered: all before them are applied by then. */
    answer: async (client, numbers) => {
      await Promise.all(numbers.map((number) => outbox.send("order", { client, number })));
    },
    close: async () => {
      await Promise.all([outbox.close(), follower.close()]);
      socket.disconnect();
    },
  };
}

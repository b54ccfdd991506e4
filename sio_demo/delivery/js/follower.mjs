// A follower for socket.io-client: reads each entry of a topic once, in order. The wire format is
// in ../PROTOCOL.md, and the server's half is the feed of ../feed.py.
//
//   const store = new IndexedDBOffsets("news", 1, (database) => database.createObjectStore("seen"));
//   const follower = new Follower(io(), store);
//   follower.on("news", (transaction, text) => {
//     transaction.objectStore("seen").put(text, text.id); // commits together with the offset
//   });
//   await follower.follow("sports");                      // all that the log has is read

import {
  backoff, check, closed, Database, DeliveryError, jittered, parse, promised, WORTH_A_RETRY,
} from "./outbox.mjs";

const FEED = "feed";
const CLOSE = 15_000; // milliseconds that a handler may hold `close` up
const WAITING = 16; // pages of a topic that wait to be applied; what else comes is asked for later
const DISK = new Set(["AbortError", "QuotaExceededError", "UnknownError"]);

/**
 * How far a topic is read: the id of its log, the offset, and the id of the entry before it.
 * @typedef {{ log: string, next: number, last: string }} Progress
 */

/**
 * @typedef {{ onGap?: (topic: string, first: number, next: number) => any, interval?: number,
 *   retryDelay?: number, retryDelayMax?: number }} Options
 */

/** @type {Progress} */
const START = { log: "", next: 0, last: "" };

const same = (one, other) => one.log === other.log && one.next === other.next;

/** Keeps the offsets while the page is open. Handlers get null for a transaction. */
export class MemoryOffsets {
  #topics = new Map();
  #turn = Promise.resolve();

  async load(topic) {
    return this.#topics.get(topic) ?? START;
  }

  async save(topic, progress) {
    this.#topics.set(topic, progress);
  }

  /** Do some work and save how far a topic is read, unless another follower was faster. */
  apply(topic, known, progress, work) {
    const turn = this.#turn.then(async () => {
      const stored = await this.load(topic);
      if (!same(stored, known)) return stored;
      await work(null);
      await this.save(topic, progress);
      return progress;
    });
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async close() {}
}

/**
 * Keeps the offsets in a database of IndexedDB, beside what the handlers keep there. All tabs of a
 * site may follow with it: each entry is applied in one of them.
 */
export class IndexedDBOffsets {
  #database;

  /**
   * @param {string} name of the database: another one for each user, server and namespace
   * @param {number} version
   * @param {(database: IDBDatabase, transaction: IDBTransaction) => void} upgrade makes the
   *   object stores of the handlers; it is called when the database is older than `version`
   */
  constructor(name, version, upgrade) {
    this.#database = new Database(name, version, (database, transaction) => {
      if (!database.objectStoreNames.contains("offsets")) database.createObjectStore("offsets");
      upgrade(database, transaction);
    });
  }

  /** Do some work in a transaction, such as to read what the handlers have written. */
  transact(mode, work) {
    return this.#database.transact(mode, work);
  }

  load(topic) {
    return this.transact("readonly", (transaction) => stored(transaction, topic));
  }

  save(topic, progress) {
    return this.transact("readwrite", (transaction) => {
      transaction.objectStore("offsets").put(progress, topic);
    });
  }

  /** Do some work and save how far a topic is read, unless another tab was faster. */
  apply(topic, known, progress, work) {
    return this.transact("readwrite", async (transaction) => {
      const now = await stored(transaction, topic);
      if (!same(now, known)) return now;
      // First, for a handler that waits for something else: then IndexedDB commits at once.
      transaction.objectStore("offsets").put(progress, topic);
      await work(transaction);
      return progress;
    });
  }

  close() {
    return this.#database.close();
  }
}

const stored = async (transaction, topic) =>
  (await promised(transaction.objectStore("offsets").get(topic))) ?? START;

/** A topic that is followed. */
class Reading {
  progress = START;
  arrived = []; // pages, each with the offset that was asked for, if it is an answer
  asked = -1; // the offset of a request on this connection that has no answer yet
  due = 0; // the time of the next request
  over = false;
  wake = () => {};

  constructor(topic) {
    this.topic = topic;
    this.caughtUp = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    this.caughtUp.catch(() => {}); // it may be unwatched
  }

  askNow() {
    this.asked = -1;
    this.due = 0;
    this.wake();
  }

  add(page, asked) {
    this.arrived.push([page, asked]);
    if (this.arrived.length === 1) this.wake();
  }

  pause(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.wake = () => resolve(clearTimeout(timer));
    });
  }
}

/**
 * Reads topics of a feed: effectively once, in order.
 *
 * A handler is called with a transaction and the payload. It may wait for requests of the
 * transaction, and for nothing else. If it throws, its effects are undone, and the entry counts as
 * read: the error is in `lastError`. If it throws an error with the name "Retry", or the event has
 * no handler yet, it is called again after a pause, and the later entries of its topic wait.
 */
export class Follower {
  #socket;
  #store;
  /** @type {Options} */
  #options;
  #handlers = new Map();
  #topics = new Map();
  #closed = false;
  lastError = null;

  /**
   * @param {any} socket of socket.io-client, which is connected by others
   * @param {IndexedDBOffsets | MemoryOffsets} store
   * @param {Options} options `onGap`, called with a topic, the first offset that was trimmed unread, and the
   *   one where it goes on; in milliseconds, `interval`, after which it asks for what may have
   *   been lost on the way, and `retryDelay`, which doubles up to `retryDelayMax`
   */
  constructor(socket, store = new MemoryOffsets(), options = {}) {
    if (!store.apply) check({ error: "UsageError", message: "store" });
    this.#socket = socket;
    this.#store = store;
    this.#options = options;
    socket.on("connect", this.#connected);
    socket.on(FEED, this.#hear);
  }

  /**
   * Register the handler of an event.
   * @param {string} event
   * @param {(transaction: IDBTransaction | null, payload: any) => any} handler
   */
  on(event, handler) {
    if (typeof handler !== "function") check({ error: "UsageError", message: "handler" });
    this.#handlers.set(event, handler);
    this.#topics.forEach((reading) => reading.wake());
  }

  /** Follow a topic, from where the store says; return when all that it has is read. */
  async follow(topic) {
    if (this.#closed) throw closed();
    let reading = this.#topics.get(topic);
    if (!reading) {
      reading = new Reading(topic);
      this.#topics.set(topic, reading);
      reading.ended = this.#run(reading);
    }
    await reading.caughtUp;
  }

  /** Go on at an offset, in whatever log the server has now; then call `follow`. */
  async restart(topic, offset = 0) {
    if (!(Number.isSafeInteger(offset) && offset >= 0)) check({ error: "UsageError", message: "offset" });
    await this.#stop(topic);
    await this.#store.save(topic, { ...START, next: offset });
  }

  /** Stop to follow, and close the store; the socket stays. */
  async close() {
    this.#closed = true;
    this.#socket.off("connect", this.#connected);
    this.#socket.off(FEED, this.#hear);
    const stopped = Promise.all(Array.from(this.#topics.keys(), (topic) => this.#stop(topic)));
    const limit = new Reading(); // a handler may never end
    await Promise.race([stopped, limit.pause(CLOSE)]);
    limit.wake();
    await this.#store.close();
  }

  async #stop(topic) {
    const reading = this.#topics.get(topic);
    if (!reading) return;
    this.#topics.delete(topic);
    reading.over = true;
    reading.wake();
    reading.reject(closed());
    await reading.ended;
  }

  // --- what comes from the server -----------------------------------------------------

  #connected = () => {
    this.#topics.forEach((reading) => reading.askNow());
  };

  #hear = (page) => {
    const reading = this.#topics.get(page?.topic);
    if (reading?.arrived.length < WAITING) reading.add(page, null);
    else reading?.askNow();
  };

  /** Ask for what the store has not; the answer also says where the log ends. */
  async #ask(reading) {
    const { topic } = reading;
    reading.progress = await this.#store.load(topic);
    const { next } = reading.progress, { connected } = this.#socket;
    const late = reading.asked >= 0 && connected; // its answer may be on the way
    if (late) this.lastError = new DeliveryError("DeliveryError", "No answer. Is it a feed?");
    reading.due = performance.now() + jittered((this.#options.interval || 1e4) * (late ? 16 : 1));
    reading.asked = next;
    if (!connected) return; // it asks when it is
    this.#socket.emit(FEED, { topic, next }, (error, page = error) => { // two, with ackTimeout
      if (reading.asked !== next || page instanceof Error) return; // another has its answer
      reading.add(page, next);
      reading.asked = -1;
    });
  }

  // --- a topic ------------------------------------------------------------------------

  async #run(reading) {
    try {
      await this.#read(reading);
    } catch (error) {
      this.lastError = error;
      if (!reading.over) this.#topics.delete(reading.topic);
      reading.reject(error);
    }
  }

  /** Follow a topic until an error is final. */
  async #read(reading) {
    let attempts = 0;
    while (!reading.over) {
      const left = reading.due - performance.now();
      try {
        if (reading.arrived.length) {
          await this.#take(reading, ...reading.arrived[0]);
          reading.arrived.shift();
          attempts = 0;
        } else if (left <= 0) await this.#ask(reading);
        else await reading.pause(left);
      } catch (error) {
        // What is no DeliveryError, `onGap` has thrown.
        if (error instanceof DeliveryError && !WORTH_A_RETRY.has(error.name)) throw error;
        this.lastError = error;
        if (!reading.over) await reading.pause(backoff(attempts++, this.#options));
      }
    }
  }

  /** Apply a page; `asked` is the offset that was asked for, if it is an answer. */
  async #take(reading, page, asked) {
    const { end, entries } = page ?? {};
    const known = reading.progress;
    const { log, next } = known;
    const again = (answer, good) => {
      if (good) return;
      reading.arrived.shift();
      reading.due = 0;
      check(answer);
    };
    again(page, end >= 0 && (!entries || (entries.producer && Array.isArray(entries.messages))));
    if ((entries && log && log !== entries.producer) || (asked !== null && end < asked)) {
      throw restored(reading);
    }
    if (entries && (entries.first > next || !log)) {
      if (asked === null) { // something is missing before it
        if (reading.asked < 0) reading.due = 0;
        return;
      }
      await this.#jump(reading, entries);
    }
    if (entries) await this.#apply(reading, entries);
    if (asked === null || reading.over) return;
    if (reading.progress.next >= end) return reading.resolve();
    again({ error: "Retry", message: `No entry ${next}.` }, reading.progress !== known);
    reading.due = 0;
  }

  /** Begin with a log, or go on behind entries that the server has no more. */
  async #jump(reading, { producer, first, after }) {
    const { topic, progress } = reading;
    if (first > progress.next) {
      this.lastError = new DeliveryError("GapError",
        `${topic}: ${progress.next} to ${first - 1} are trimmed.`);
      await this.#options.onGap?.(topic, progress.next, first);
    }
    const begin = { log: producer, next: first, last: after };
    reading.progress = await this.#store.apply(topic, progress, begin, () => {});
  }

  /** Apply what is new in a batch; another tab may apply some of it meanwhile. */
  async #apply(reading, { producer, first, after, messages }) {
    while (!reading.over) {
      const { log, next, last } = reading.progress;
      const at = next - first;
      if (log !== producer || at < 0) return (reading.due = 0); // another tab has restarted
      if (at > messages.length) return;
      if ((at ? parse(messages[at - 1])[0] : after) !== last) throw restored(reading);
      if (at === messages.length) return;
      await this.#applyOne(reading, messages[at]);
    }
  }

  async #applyOne(reading, text) {
    const { topic, progress } = reading;
    const { 0: id, 1: event, 2: payload } = parse(text);
    const handler = this.#handlers.get(event);
    const error = typeof event === "string" ? "Retry" : "BatchError";
    if (!handler) check({ error, message: `No handler for ${event} yet.` });
    const read = { ...progress, next: progress.next + 1, last: id };
    const save = (work) => this.#store.apply(topic, progress, read, work);
    try {
      reading.progress = await save((transaction) => called(handler, transaction, payload));
    } catch (error) {
      // Without a cause, the handler has called `abort`.
      const why = error.cause?.name;
      if (WORTH_A_RETRY.has(error.name) && why && why !== "ConstraintError") throw error;
      this.lastError = error;
      console.warn(error);
      reading.progress = await save(() => {});
    }
  }
}

/** Call a handler; what it throws has the name HandlerError, unless it is worth a retry. */
async function called(handler, transaction, payload) {
  try {
    await handler(transaction, payload);
  } catch (error) {
    if (DISK.has(error?.name)) throw error;
    const name = error?.name === "Retry" ? "Retry" : "HandlerError";
    throw new DeliveryError(name, `${error}`, { cause: error });
  }
}

const restored = ({ topic, progress }) =>
  new DeliveryError("RestoredError", `${topic} is another log at ${progress.next}: restart it.`);

// An outbox for socket.io-client: keeps every message, and sends it again, until the inbox has
// applied it. ../PROTOCOL.md has the wire format.
//
//   const outbox = new Outbox(io(), new IndexedDBStore("orders"));
//   const receipt = outbox.send("order", { item: "tea" });
//   await receipt.accepted;            // it is in the store, and outlives the page
//   console.log(await receipt);        // what the handler of the inbox returned

const EVENT = "outbox";
const HELLO = "outbox_hello";
const LARGEST = 999_000; // characters in a packet of 1 MB, Engine.IO's default limit
export const WORTH_A_RETRY = new Set(["Retry", "StoreError", "QuotaError"]);

/** An error, named as the inbox names it; `name` tells the kinds apart. */
export class DeliveryError extends Error {
  constructor(name, message, options) {
    super(message, options);
    this.name = name;
  }
}

export const closed = () => new DeliveryError("ClosedError", "It is closed.");

const bytes = (count) => crypto.getRandomValues(new Uint8Array(count));
const newId = () => btoa(String.fromCharCode(...bytes(12)));

function newProducer() {
  const hex = Array.from(bytes(16), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/(.{8})(.{4}).(.{3}).(.{3})/, "$1-$2-4$3-8$4-"); // a UUID of version 4
}

const size = (text) => JSON.stringify(text).length + 1; // in a packet
const idOf = (text) => text.slice(2, 18);

/** Throw if a value, or what is in it, is not JSON, or is nested too deeply for a server. */
function checkJson(value, depth = 0) {
  if (depth > 200) throw new TypeError("too deep");
  if (value === null || typeof value === "string" || typeof value === "boolean") return;
  if (Number.isFinite(value)) return;
  if (typeof value?.toJSON === "function") return checkJson(value.toJSON(), depth + 1);
  const list = Array.isArray(value);
  const kind = typeof value === "object" && Object.getPrototypeOf(value);
  const plain = kind === null || !Object.getPrototypeOf(kind); // of any realm
  if (!list && !plain) throw new TypeError(String(value));
  for (const part of list ? value : Object.values(value)) checkJson(part, depth + 1);
}

/** Return the JSON text of a message with a new id. */
export function write(event, payload = null) {
  if (typeof event !== "string" || !event || event.length > 200) {
    throw new DeliveryError("UsageError", "An event has 1 to 200 characters.");
  }
  try {
    checkJson(payload);
  } catch (error) {
    throw new DeliveryError("PayloadError", `The payload is not JSON: ${error}`);
  }
  const text = JSON.stringify([newId(), event, payload]).replace(/[^ -~]/g, escaped);
  if (size(text) > LARGEST) throw new DeliveryError("PayloadError", "The payload is too long.");
  return text;
}

const escaped = (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;

/** Throw what a server has refused for, or that this is not its answer. */
export function check(answer, good) {
  if (answer?.error) throw new DeliveryError(answer.error, answer.message);
  if (!good) throw new DeliveryError("BatchError", "This is no answer.");
}

/** Return the value of a JSON text from a server. */
export function parse(text) {
  try {
    return Object(JSON.parse(text));
  } catch {
    return check();
  }
}

/** Return what the handler returned; throw what it raised. */
export function read(reply) {
  const { ok, error, dead, withdrawn } = parse(reply);
  if (error !== undefined) throw new DeliveryError("HandlerError", error);
  if (dead !== undefined) throw new DeliveryError("DeadLetterError", dead);
  if (withdrawn !== undefined) {
    throw new DeliveryError("PayloadError", "The payload is too long for this server.");
  }
  check(null, ok !== undefined);
  return ok;
}

/** Which messages wait, and which are sent: one batch at a time. No I/O. */
export class SendWindow {
  #texts;
  #batch = null; // in flight
  #most = 500; // messages in a batch
  #heard = true; // an answer since a connection was lost
  #limits; // of the inbox, from its welcome

  constructor({ producer, known, epoch, start, base, after, texts }) {
    this.identity = { producer, known, epoch, start };
    this.base = this.confirmed = base; // confirmed: a base that the store has saved
    this.after = after; // the id of the message before base
    this.#texts = [...texts];
  }

  get length() {
    return this.#texts.length;
  }

  accept(texts) {
    for (const text of texts) this.#texts.push(text);
  }

  /** Return the first request of a connection. */
  hello() {
    return { ...this.identity };
  }

  /** Go on where the inbox is; throw if one of the two stores is an older copy. */
  welcomed(welcome) {
    if (welcome.next < this.base) {
      throw new DeliveryError("RestoredError", `The inbox has gone back to ${welcome.next}.`);
    }
    const ahead = welcome.next > this.base + this.length || welcome.confirmed > this.base;
    if (ahead || welcome.last !== this.#idBefore(welcome.next)) {
      throw new DeliveryError("ConflictError", "Was a store copied?");
    }
    this.#limits = welcome;
  }

  /** Return the next messages to send; null if there are none, or an answer is due. */
  nextBatch() {
    const { batch, characters, unconfirmed } = this.#limits;
    const most = Math.min(this.#most, batch, this.confirmed + unconfirmed - this.base);
    const messages = [];
    let left = characters;
    for (const text of this.#texts.slice(0, most > 0 ? most : 0)) {
      const fits = size(text) <= characters; // if not, the inbox answers by name
      const sent = fits ? text : JSON.stringify(JSON.parse(text).slice(0, 2));
      left -= size(sent);
      if (messages.length && left < 0) break;
      messages.push(sent);
    }
    if (this.#batch || !messages.length) return null;
    const { producer, epoch } = this.identity;
    const { base: first, after, confirmed } = this;
    return (this.#batch = { producer, epoch, first, after, confirmed, messages });
  }

  /** Note the answer to the batch; return the ids of what is done, with the replies. */
  answered({ replies, error }) {
    const asked = this.#batch.messages.length;
    this.#batch = null;
    this.#heard = true;
    if (replies.length === asked) {
      this.#most = Math.min(this.#limits.batch, Math.floor(this.#most * 1.25) + 1);
    } else if (!error) this.#most = Math.max(1, replies.length); // there was no room for more
    const texts = this.#texts.splice(0, replies.length);
    const done = texts.map((text, at) => [idOf(text), replies[at]]);
    if (done.length) [this.after] = done.at(-1);
    this.base += done.length;
    return done;
  }

  /** Note a lost connection. After two without an answer, smaller batches may get through. */
  lost() {
    if (!this.#batch) return;
    if (!this.#heard) this.#most = Math.max(1, Math.floor(this.#most / 2));
    this.#heard = false;
    this.#batch = null;
  }

  #idBefore(number) {
    return number > this.base ? idOf(this.#texts[number - this.base - 1]) : this.after;
  }
}

// What a store keeps beside the messages. `offset` is the key of message 0 in an IndexedDB: a key
// is never used again.
const fresh = (offset) =>
  ({ producer: newProducer(), known: false, epoch: 0, base: 0, after: "", offset });

/** Keeps the messages while the page is open. */
export class MemoryStore {
  #state = fresh(0);
  #texts = []; // from base on

  async lead() {
    return () => {};
  }

  listen(_tell) {}

  post(_news) {}

  async add(texts) {
    for (const text of texts) this.#texts.push(text);
    return [];
  }

  async load() {
    this.#state.epoch += 1;
    return { ...this.#state, texts: this.#texts };
  }

  async read(from) {
    return this.#texts.slice(from - this.#state.base);
  }

  async known() {
    this.#state.known = true;
  }

  async forget(base, after) {
    if (base <= this.#state.base) return; // an outbox that is closed
    this.#texts.splice(0, base - this.#state.base);
    Object.assign(this.#state, { base, after });
  }

  async restart(keep) {
    this.#state = { ...fresh(0), epoch: 1 };
    if (!keep) this.#texts = [];
    return { ...this.#state, texts: this.#texts };
  }

  async close() {}
}

/** Return a promise whose error may remain unseen: another tells it. */
const quiet = (promise) => {
  promise.catch(() => {});
  return promise;
};

/** Wait for a request of IndexedDB. */
export const promised = (request) =>
  quiet(new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  }));

/**
 * Return between a half and the whole of a time, so that not all pages come at once; of 23 days at
 * most, since a longer timer ends at once.
 */
export const jittered = (milliseconds) => Math.min(milliseconds, 2e9) * (0.5 + Math.random() / 2);

/**
 * Return the milliseconds to wait before the next attempt.
 * @param {number} attempt
 * @param {{ retryDelay?: number, retryDelayMax?: number }} options
 */
export const backoff = (attempt, { retryDelay, retryDelayMax }) =>
  jittered(Math.min(retryDelayMax || 5000, (retryDelay || 100) * 2 ** attempt));

/** A database of IndexedDB. */
export class Database {
  #name;
  #opened;

  constructor(name, version, upgrade) {
    if (!globalThis.indexedDB || !globalThis.navigator?.locks) {
      throw new DeliveryError("StoreError", "Without https, pass a store in memory.");
    }
    this.#name = name;
    this.#opened = quiet((async () => {
      const request = indexedDB.open(name, version); // it may throw: the page may keep nothing
      request.onupgradeneeded = () => upgrade(request.result, request.transaction);
      const database = await promised(request);
      database.onversionchange = () => database.close(); // a newer page waits for this one
      return database;
    })());
  }

  /** Do some work in a transaction; return its result when all is committed. */
  async transact(mode, work, options) {
    try {
      const database = await this.#opened;
      const transaction = database.transaction([...database.objectStoreNames], mode, options);
      const ended = new Promise((resolve, reject) => {
        transaction.oncomplete = resolve;
        transaction.onabort = () => reject(transaction.error);
      });
      const result = (async () => work(transaction))();
      quiet(result.catch(() => transaction.abort())); // it may have ended
      await Promise.all([result, ended]);
      return await result;
    } catch (error) {
      if (error instanceof DeliveryError) throw error;
      // The browser has closed the database for good: it was deleted, or a newer page has it.
      const name = /State|Version/.test(error?.name) ? "ClosedError" : "StoreError";
      throw new DeliveryError(name, `${this.#name}: ${error}`, { cause: error });
    }
  }

  async close() {
    await this.#opened.then((database) => database.close(), () => {});
  }
}

/**
 * Keeps the messages of all tabs of a site. One tab sends: the one that holds a Web Lock, as long as
 * its socket tries to connect. It sends on its own connection, so give each user a store of another
 * name, and use the store only where the page may connect. If the database is deleted, as when the
 * user clears the data of the site, what waits ends with a ClosedError.
 */
export class IndexedDBStore {
  #name;
  #database;
  #channel;
  #leaving = new AbortController();

  constructor(name) {
    this.#name = `outbox ${name}`;
    this.#database = new Database(this.#name, 1, (database) => {
      database.createObjectStore("state");
      database.createObjectStore("messages", { autoIncrement: true });
    });
    this.#channel = new BroadcastChannel(this.#name);
  }

  /** Wait until no other tab sends; return what lets the next one send. */
  lead() {
    const { signal } = this.#leaving;
    return new Promise((resolve, reject) => {
      const held = () => new Promise((release) => resolve(release));
      navigator.locks.request(this.#name, { signal }, held)
        .catch((error) => reject(new DeliveryError("StoreError", error.message)));
    });
  }

  listen(tell) {
    this.#channel.onmessage = ({ data }) => tell(data);
  }

  /** Tell the other tabs. */
  post(news) {
    if (!this.#leaving.signal.aborted) this.#channel.postMessage(news);
  }

  /** Append messages; return their keys. */
  add(texts) {
    return this.#run("readwrite", (_, messages) =>
      Promise.all(texts.map((text) => promised(messages.add(text)))));
  }

  /** Return what is stored, with an epoch that counts this start too. */
  load() {
    return this.#run("readwrite", async (states, messages) => {
      const state = (await promised(states.get("state"))) ?? fresh(1);
      state.epoch += 1;
      states.put(state, "state");
      return { ...state, texts: await promised(messages.getAll()) };
    });
  }

  /** Return the messages from a sequence number on. */
  read(from) {
    return this.#run("readonly", async (states, messages) => {
      const { offset } = await promised(states.get("state"));
      return promised(messages.getAll(IDBKeyRange.lowerBound(offset + from)));
    });
  }

  known() {
    return this.#update(() => ({ known: true }));
  }

  /** Delete the messages below `base`. */
  forget(base, after) {
    return this.#update((state, messages) => {
      if (base <= state.base) return {}; // an outbox that is closed
      messages.delete(IDBKeyRange.upperBound(state.offset + base, true));
      return { base, after };
    });
  }

  /** Begin again under a new producer id, with the messages or without. */
  restart(keep) {
    return this.#run("readwrite", async (states, messages) => {
      const texts = keep ? await promised(messages.getAll()) : [];
      messages.clear();
      const last = await promised(messages.add("")); // the keys go on: where are they?
      messages.delete(last);
      for (const text of texts) messages.add(text);
      const state = { ...fresh(last + 1), epoch: 1 };
      states.put(state, "state");
      return { ...state, texts };
    });
  }

  async close() {
    this.#leaving.abort();
    this.#channel.close();
    await this.#database.close();
  }

  #update(change) {
    return this.#run("readwrite", async (states, messages) => {
      const state = await promised(states.get("state"));
      states.put({ ...state, ...change(state, messages) }, "state");
    });
  }

  #run(mode, work) {
    const both = (transaction) =>
      work(transaction.objectStore("state"), transaction.objectStore("messages"));
    return this.#database.transact(mode, both, { durability: "strict" });
  }
}

/** Sends messages to an inbox: effectively once, in order. */
export class Outbox {
  #socket;
  #store;
  #options;
  #window = null; // of the tab that sends
  #release = () => {};
  #incoming = []; // receipts that are not in the store yet
  #receipts = new Map(); // those of this tab without a reply, by id
  #saving = Promise.resolve();
  #busy = false;
  #more = true; // the store may have messages that the window has not
  #connection = 0; // counts them
  #greeted = -1; // the connection on which the inbox has answered a hello
  #reissuing = null;
  #attempts = 0;
  #pausing = null; // a timer, while the inbox recovers
  #failure = null;
  #closed = false;
  #drained = [];
  lastError = null;

  /**
   * @param {any} socket of socket.io-client, without the option `retries`
   * @param {IndexedDBStore | MemoryStore} store
   * @param {{ ackTimeout?: number, retryDelay?: number, retryDelayMax?: number }} options times in
   *   milliseconds: `ackTimeout` without an answer, after which the connection counts as dead;
   *   `retryDelay`, which doubles up to `retryDelayMax`
   */
  constructor(socket, store = new MemoryStore(), options = {}) {
    if (socket._opts?.retries ?? socket.io?.opts?.retries) {
      throw new DeliveryError("UsageError", "Pass a socket without retries.");
    }
    this.#socket = socket;
    this.#store = store;
    this.#options = options;
    store.listen((news) => this.#hear(news));
    socket.on("connect", this.#connected);
    socket.on("disconnect", this.#disconnected);
    socket.on("connect_error", this.#disconnected);
    if (socket.active) this.#lead();
  }

  /**
   * How many messages have no reply yet: of this tab, or of all if it is the one that sends. Right
   * after `new Outbox` no tab has yet read what an earlier page has left.
   */
  get pending() {
    return Math.max(this.#receipts.size, this.#window?.length ?? 0);
  }

  /**
   * Queue a message. Await `accepted` of the receipt, then the receipt for the reply.
   * @param {string} event
   * @param {any} [payload]
   */
  send(event, payload) {
    if (this.#failure) throw this.#failure;
    const text = write(event, payload);
    const id = idOf(text);
    const reply = new Promise((resolve, reject) => {
      this.#receipts.set(id, { resolve, reject });
    });
    const accepted = new Promise((accept, fail) => {
      if (this.#incoming.push({ id, text, accept, fail }) > 1) return; // it is saved with those
      this.#saving = this.#saving.then(() => this.#save());
    });
    return Object.assign(quiet(reply), { id, accepted: quiet(accepted) });
  }

  /** Wait until no message is pending. */
  async drain() {
    while (this.pending && !this.#failure) {
      await new Promise((resolve) => this.#drained.push(resolve));
    }
    if (this.#failure) throw this.#failure;
  }

  /**
   * Go on after a final refusal, under a new producer id, with the unanswered messages or without.
   * What the inbox may have applied under the old id, it will apply again: it cannot tell. This is
   * for the tab that sends: in the others it throws a UsageError.
   */
  async reissue({ keep = true } = {}) {
    if (!this.#failure || !this.#window) {
      throw new DeliveryError("UsageError", "Nothing is refused.");
    }
    this.#reissuing ??= this.#reissue(keep).finally(() => { this.#reissuing = null; });
    await this.#reissuing;
  }

  /** Save what was sent, and stop. What is in an IndexedDB stays there, for the next page. */
  async close() {
    this.#closed = true;
    this.#socket.off("connect", this.#connected);
    this.#socket.off("disconnect", this.#disconnected);
    this.#socket.off("connect_error", this.#disconnected);
    clearTimeout(this.#pausing);
    this.#stepDown();
    this.#reject((this.#failure ??= closed()));
    await this.#saving;
    await this.#store.close();
  }

  // --- one tab sends ------------------------------------------------------------------

  #leading = false; // this tab sends, or waits until no other does

  async #lead() {
    if (this.#leading) return;
    this.#leading = true;
    try {
      this.#release = await this.#store.lead();
      const saved = await this.#store.load();
      if (!this.#socket.active) return this.#stepDown();
      this.#window = this.#newWindow(saved);
      this.#tell({ oldest: saved.offset + saved.base });
      this.#wake();
    } catch (error) {
      this.#stepDown();
      this.#troubled(error);
    }
  }

  #newWindow(saved) {
    this.#more = true;
    return new SendWindow({ ...saved, start: newId() });
  }

  async #reissue(keep) {
    this.#window = this.#newWindow(await this.#store.restart(keep));
    this.#tell({ restarted: true });
    this.#failure = this.lastError = null;
    this.#greeted = -1;
    this.#wake();
  }

  #connected = () => {
    this.#connection += 1;
    this.#goOn();
  };

  #goOn() {
    this.#lead();
    this.#wake();
  }

  /** Note the end of a connection, or the error of an attempt. */
  #disconnected = (reason) => {
    this.#connection += 1;
    if (reason.message) this.lastError = reason;
    if (reason === "io server disconnect") {
      // A second `connect` meanwhile would be a second request, which the server refuses.
      setTimeout(() => !this.#closed && !this.#socket.active && this.#socket.connect(),
        backoff(this.#attempts++, this.#options));
    } else if (!this.#socket.active && this.#window && !this.#failure) this.#stepDown();
  };

  /** Let another tab send: the page wants no connection, or may have none. */
  #stepDown() {
    this.#window = null;
    this.#leading = false;
    this.#release();
  }

  /** Tell this tab and the others what it has done. */
  #tell(news) {
    this.#store.post(news);
    this.#hear(news);
  }

  /** Hear what another tab has done. */
  #hear({ added, replies, oldest, restarted, failure }) {
    if (added) {
      this.#more = true;
      if (this.#window && this.#failure) this.#tellFailure();
      this.#wake();
    }
    if (restarted) this.#receipts.forEach((receipt) => delete receipt.key);
    for (const [id, reply] of replies ?? []) this.#settle(id, reply);
    if (failure) this.#reject(new DeliveryError(failure.name, failure.message));
    if (oldest) for (const [id, { key, reject }] of this.#receipts) {
      if (key < oldest && this.#receipts.delete(id)) { // the tab that sent has ended
        reject(new DeliveryError("DeliveryError", "A closed tab has the reply."));
      }
    }
    this.#tellDrained();
  }

  // --- the store ----------------------------------------------------------------------

  /** Save what was sent meanwhile, in one transaction. */
  async #save() {
    const group = this.#incoming.splice(0);
    try {
      const keys = await this.#store.add(group.map(({ text }) => text));
      group.forEach(({ id, accept }, at) => {
        const receipt = this.#receipts.get(id);
        if (receipt) receipt.key = keys[at];
        accept();
      });
      this.#tell({ added: true });
    } catch (error) {
      this.lastError = error;
      for (const { id, fail } of group) {
        fail(error);
        this.#receipts.get(id)?.reject(error);
        this.#receipts.delete(id);
      }
      this.#tellDrained();
    }
  }

  // --- the inbox ----------------------------------------------------------------------

  #wake() {
    if (this.#window && !this.#busy) this.#deliver();
  }

  async #deliver() {
    this.#busy = true;
    try {
      while (this.#mayStep() && (await this.#step()));
    } catch (error) {
      this.#troubled(error);
    }
    this.#busy = false;
    if (this.#more && this.#mayStep()) this.#wake();
  }

  #mayStep() {
    return this.#window && !this.#failure && this.#socket.connected && !this.#pausing;
  }

  /** Say hello, or send a batch; return whether there may be more to do. */
  async #step() {
    const window = this.#window;
    const connection = this.#connection;
    const overtaken = () => window !== this.#window;
    if (this.#greeted !== connection) {
      window.lost();
      const welcome = await this.#ask(HELLO, window.hello());
      if (!welcome || overtaken()) return true;
      const { next, batch, characters, unconfirmed } = welcome;
      check(welcome, next >= 0 && Math.min(batch, characters, unconfirmed) >= 1);
      window.welcomed(welcome);
      if (!window.identity.known) await this.#store.known(); // before the first message leaves
      window.identity.known = true;
      this.#greeted = connection;
      this.lastError = null;
      return true;
    }
    await this.#forget(window);
    if (this.#more) {
      this.#more = false;
      window.accept(await this.#store.read(window.base + window.length));
    }
    const batch = overtaken() ? null : window.nextBatch();
    if (!batch) return false;
    const answer = await this.#ask(EVENT, batch);
    if (!answer || overtaken()) return true;
    const { replies } = answer;
    if (!Array.isArray(replies) || !batch.messages[replies.length - 1]) {
      window.answered({ replies: [], error: true });
      check(answer);
    }
    const done = window.answered(answer);
    if (done.length) {
      this.#attempts = 0;
      this.lastError = null;
      this.#tell({ replies: done });
      await this.#forget(window); // also if the caller disconnects now
    }
    check(answer, true);
    return true;
  }

  async #forget(window) {
    const { base } = window;
    if (window.confirmed < base) await this.#store.forget(base, window.after);
    window.confirmed = base;
  }

  /** Ask the inbox; return null if no answer came, and end a connection that is silent. */
  async #ask(event, request) {
    const { engine } = this.#socket.io;
    let answer;
    try {
      answer = await this.#socket
        .timeout(Math.min(this.#options.ackTimeout || 5000, 2e9)) // as in `jittered`
        .emitWithAck(event, request);
    } catch (error) {
      this.lastError = new DeliveryError("DeliveryError", error.message);
      this.#greeted = -1;
      if (this.#socket.io.engine === engine && this.#socket.connected) engine.close();
      return null;
    }
    return Object(answer);
  }

  /** Try again after a pause, if that may help. */
  #troubled(error) {
    if (this.#closed) return;
    if (!WORTH_A_RETRY.has(error.name)) return this.#fail(error);
    this.lastError = error;
    this.#more = true; // it may not have been read
    this.#pausing = setTimeout(() => {
      this.#pausing = null;
      this.#goOn();
    }, backoff(this.#attempts++, this.#options));
  }

  #fail(error) {
    this.#failure = this.lastError = error;
    this.#tellFailure();
    if (error.name === "ClosedError") { // another tab may have a database
      this.#window = null;
      this.#release();
    }
    this.#reject(error);
  }

  #tellFailure() {
    const { name, message } = this.#failure;
    this.#store.post({ failure: { name, message } });
  }

  #settle(id, reply) {
    const receipt = this.#receipts.get(id);
    if (!receipt) return;
    this.#receipts.delete(id);
    try {
      receipt.resolve(read(reply));
    } catch (error) {
      receipt.reject(error);
    }
  }

  #reject(error) {
    this.#receipts.forEach(({ reject }) => reject(error));
    this.#receipts.clear();
    this.#tellDrained();
  }

  #tellDrained() {
    this.#drained.splice(0).forEach((resolve) => resolve());
  }
}

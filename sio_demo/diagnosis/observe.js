// Counts in a running Socket.IO program, client or server, and changes nothing in what it does.
//
//   const seen = observe(socket);               a socket of socket.io-client; several: [one, other]
//   const seen = observe(io);                   a server of socket.io, or one of its namespaces
//   JSON.stringify(seen.message("news"))        what diagnose() in Python takes
//
// Paste it into the console of a browser, or into a program in Node.js, before the first cut: one
// that comes later does not know how often the client has reconnected. It uses what the
// documentation describes: onAny(), onAnyOutgoing(), listeners(), the events of the connection.
// Calls are the listeners that an event has when it comes: the emitter calls each of them once. (If
// one of them throws, the later ones are not called; a middleware of the server may stop an event.)
//
// Options: key(event, args) gives what the copies of one message have in common; user(socket), for
// a server, gives the user of a socket, so that each user's messages and sids are counted apart.

function observe(what, { key: given, user = () => null, keep = 1000 } = {}) {
  const key = given ?? sameArguments;
  const messages = new Map(); // the last one last
  const undo = [];
  let error = null; // the first that key() or user() has thrown
  const ends = [what].flat().map((end) => (end.sockets === undefined ? client(end) : server(end)));
  const { side } = ends[0];
  const otherSide = side === "client" ? "server" : "client";

  function sameArguments(event, args) {
    const bytes = (name, value) =>
      value instanceof ArrayBuffer ? [...new Uint8Array(value)]
      : ArrayBuffer.isView(value) ? [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)]
      : value;
    return JSON.stringify(args, bytes);
  }

  function client(socket) {
    const who = { "io server disconnect": "server", "io client disconnect": "client" };
    const end = {
      side: "client", namespace: socket.nsp, refused: false, reason: null,
      reconnects: socket.connected ? null : -1, connection: null,
      place() {
        const { id } = socket.io.engine ?? {};
        if (socket.connected && id !== end.connection) { // retries go out before "connect"
          end.connection = id;
          if (end.reconnects !== null) end.reconnects += 1;
        }
        const reconnects = end.reconnects === null ? null : Math.max(0, end.reconnects);
        return { connection: end.connection, sids: null, reconnects, user: null };
      },
      listeners: (event) => socket.listeners(event).length,
      now: () => ({ connected: socket.connected, refused: end.refused, reason: end.reason }),
    };
    end.place();
    watch(end, socket);
    listen(socket, "connect", () => { end.place(); end.refused = false; });
    listen(socket, "connect_error", () => { end.refused = true; });
    listen(socket, "disconnect", (reason) => { end.reason = who[reason] ?? "network"; });
    return end;
  }

  function server(io) {
    const space = io.sockets.sockets === undefined ? io : io.sockets; // a namespace
    const end = {
      side: "server", namespace: space.name,
      place(socket) {
        const mine = user(socket);
        const sids = [...space.sockets.values()].filter((each) => user(each) === mine).length;
        return { connection: socket.conn.id, sids, reconnects: null, user: mine };
      },
      listeners: () => null, // each socket has its own
      now: () => ({}),
      sids: () => space.sockets.size,
    };
    for (const socket of space.sockets.values()) watch(end, socket);
    listen(space, "connection", (socket) => watch(end, socket));
    return end;
  }

  function watch(end, socket) {
    const arrived = quiet((event, ...args) => {
      const acknowledged = typeof args.at(-1) === "function";
      const message = packet(end, end.side, event, acknowledged ? args.slice(0, -1) : args, socket);
      const listeners = socket.listeners(event).length;
      message.arrived = true;
      message.acknowledged = acknowledged;
      message.listeners.set(end, Math.max(listeners, message.listeners.get(end) ?? 0));
      message.calls += listeners;
    });
    const sent = quiet((event, ...args) => packet(end, otherSide, event, args, socket));
    socket.onAny(arrived);
    socket.onAnyOutgoing(sent);
    end.deaf = () => side === "client" && !socket.listenersAny().includes(arrived);
    undo.push(() => socket.offAny(arrived), () => socket.offAnyOutgoing(sent));
  }

  function listen(emitter, event, listener) {
    emitter.on(event, listener);
    undo.push(() => emitter.off(event, listener));
  }

  // What goes wrong here must not reach the program.
  function quiet(look) {
    return (...args) => {
      try {
        look(...args);
      } catch (thrown) {
        error ??= thrown;
      }
    };
  }

  const name = (...parts) => JSON.stringify(parts);

  function the(namespace, recipient, event, args, whose = null) {
    const id = name(namespace, recipient, event, whose, key(event, args));
    const message = messages.get(id) ?? empty(namespace, recipient, event, whose);
    messages.delete(id);
    messages.set(id, message);
    if (messages.size > keep) messages.delete(messages.keys().next().value);
    return message;
  }

  function empty(namespace, recipient, event, whose) {
    return {
      namespace, recipient, event, user: whose, packets: 0, calls: 0, effects: null, arrived: false,
      listeners: new Map(), sids: null, reconnects: null, acknowledged: null,
      connections: new Set(),
    };
  }

  function packet(end, recipient, event, args, socket) {
    const { connection, sids, reconnects, user: whose } = end.place(socket);
    const message = the(end.namespace, recipient, event, args, whose);
    message.packets += 1;
    message.connections.add(connection);
    message.sids = sids === null ? null : Math.max(sids, message.sids);
    message.reconnects = reconnects;
    return message;
  }

  function find(event, args, namespace, { recipient, user: whose }) {
    const found = [...messages.entries()].filter(
      ([, one]) => one.event === event && one.namespace === namespace
        && (recipient ?? one.recipient) === one.recipient && (whose ?? one.user) === one.user,
    );
    if (recipient === undefined && new Set(found.map(([, one]) => one.recipient)).size > 1) {
      throw new Error(`"${event}" goes both ways: say { recipient: "client" } or "server".`);
    }
    const named = ([, one]) =>
      name(namespace, one.recipient, event, one.user, key(event, args));
    const last = args === undefined ? found : found.filter((each) => each[0] === named(each));
    return last.at(-1)?.[1];
  }

  // Compare a message with one of the same event that came before a reconnect.
  function grows(message) {
    const earlier = [...messages.values()].filter(
      (one) => one.event === message.event && one.recipient === message.recipient
        && one.namespace === message.namespace && one.reconnects < message.reconnects,
    ).at(-1);
    const listeners = (one) => [...one.listeners.values()].reduce((a, b) => a + b, 0);
    if (earlier === undefined) return null;
    return listeners(message) > listeners(earlier) || message.packets > earlier.packets;
  }

  return {
    // What was seen of the last message of an event, or of the one with these arguments; options:
    // namespace, recipient ("client" or "server"), user.
    message(event, args, options = {}) {
      if (error !== null) {
        const thrown = error;
        error = null;
        throw new Error(`A message could not be counted: ${thrown}. Do key() and user() suit all?`);
      }
      if (undo.length > 0 && ends.some((end) => end.deaf?.())) {
        throw new Error("The program has called offAny(): this observer is deaf. Observe again.");
      }
      const namespace = options.namespace ?? ends[0].namespace;
      const message = find(event, args, namespace, options)
        ?? empty(namespace, options.recipient ?? side, event, null);
      const handled = message.recipient === side;
      const now = ends.filter((end) => end.namespace === namespace);
      const counts = message.listeners.size
        ? [...message.listeners.values()]
        : now.map((end) => end.listeners(event));
      const all = side === "client" ? counts.reduce((a, b) => a + b, 0) : counts.at(-1);
      const places = now.filter((end) => end.side === "client").map((end) => end.place().reconnects);
      return {
        listeners: handled ? all : null,
        sids: message.sids ?? now[0]?.sids?.() ?? null,
        packets: message.packets,
        calls: handled ? message.calls : null,
        effects: message.effects,
        clues: {
          recipient: message.recipient, [side]: "javascript", event, namespace,
          reconnects: message.packets ? message.reconnects : (places[0] ?? null),
          connections: message.connections.size || null,
          arrived: handled ? message.arrived : null,
          acknowledged: message.acknowledged,
          grows: message.reconnects === null ? null : grows(message),
          ...(now.length === 1 ? now[0].now() : {}),
        },
      };
    },
    // Tell that a message has had its effect: call it where the program has one.
    effect(event, ...args) {
      the(ends[0].namespace, side, event, args).effects += 1;
    },
    // Observe no more.
    close() {
      for (const each of undo.splice(0)) each();
    },
  };
}

if (typeof module !== "undefined") module.exports = { observe };

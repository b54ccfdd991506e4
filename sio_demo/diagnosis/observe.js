// Counts in a running Socket.IO program, client or server, and changes nothing in what it does.
//
//   const seen = observe(socket);               a socket of socket.io-client; several: [one, other]
//   const seen = observe(io);                   a server of socket.io, or one of its namespaces
//   JSON.stringify(seen.message("news"))        what diagnose() in Python takes
//
// Paste it into the console of a browser, or into a program in Node.js. It uses what the
// documentation describes: onAny(), onAnyOutgoing(), listeners(), and the events of the connection.
// Calls are the listeners that an event has when it comes: the emitter calls each of them once. (If
// one of them throws, the later ones are not called; a middleware of the server may stop an event.)

function observe(what, { key = (event, args) => JSON.stringify(args), keep = 1000 } = {}) {
  const messages = new Map(); // the last one last
  const undo = [];
  const ends = [what].flat().map((end) => (end.sockets === undefined ? client(end) : server(end)));
  const { side, namespace } = ends[0];
  const otherSide = side === "client" ? "server" : "client";

  function client(socket) {
    const who = { "io server disconnect": "server", "io client disconnect": "client" };
    const end = {
      side: "client", namespace: socket.nsp, connects: 0, up: false, refused: false, reason: null,
      place() {
        if (socket.connected && !end.up) end.connects += 1; // retries go out before "connect"
        end.up = socket.connected;
        return { sids: null, reconnects: Math.max(0, end.connects - 1) };
      },
      connection: () => socket.io.engine.id,
      listeners: (event) => socket.listeners(event).length,
      now: () => ({ connected: socket.connected, refused: end.refused, reason: end.reason }),
    };
    end.place();
    watch(end, socket);
    listen(socket, "connect", () => { end.place(); end.refused = false; });
    listen(socket, "connect_error", () => { end.refused = true; });
    listen(socket, "disconnect", (reason) => {
      end.up = false;
      end.reason = who[reason] ?? "network";
    });
    return end;
  }

  function server(io) {
    const space = io.sockets.sockets === undefined ? io : io.sockets; // a namespace
    const end = {
      side: "server", namespace: space.name,
      place: () => ({ sids: space.sockets.size, reconnects: null }),
      connection: (socket) => socket.conn.id,
      listeners: () => null, // each socket has its own
      now: () => ({}),
    };
    for (const socket of space.sockets.values()) watch(end, socket);
    listen(space, "connection", (socket) => watch(end, socket));
    return end;
  }

  function watch(end, socket) {
    const arrived = (event, ...args) => {
      const acknowledged = typeof args.at(-1) === "function";
      const message = packet(end, end.side, event, acknowledged ? args.slice(0, -1) : args, socket);
      const listeners = socket.listeners(event).length;
      message.acknowledged = acknowledged;
      message.listeners.set(end, listeners);
      message.calls += listeners;
    };
    const sent = (event, ...args) => packet(end, otherSide, event, args, socket);
    socket.onAny(arrived);
    socket.onAnyOutgoing(sent);
    undo.push(() => socket.offAny(arrived), () => socket.offAnyOutgoing(sent));
  }

  function listen(emitter, event, listener) {
    emitter.on(event, listener);
    undo.push(() => emitter.off(event, listener));
  }

  const name = (recipient, event, args) => `${recipient} ${event} ${key(event, args)}`;

  function the(recipient, event, args) {
    const id = name(recipient, event, args);
    const message = messages.get(id) ?? empty(recipient, event);
    messages.delete(id);
    messages.set(id, message);
    if (messages.size > keep) messages.delete(messages.keys().next().value);
    return message;
  }

  function empty(recipient, event) {
    return {
      recipient, event, packets: 0, calls: 0, effects: null, listeners: new Map(),
      ...ends[0].place(), acknowledged: null, connections: new Set(),
    };
  }

  function packet(end, recipient, event, args, socket) {
    const message = the(recipient, event, args);
    const { sids, reconnects } = end.place();
    message.packets += 1;
    message.connections.add(end.connection(socket));
    message.sids = sids === null ? null : Math.max(sids, message.sids);
    message.reconnects = reconnects;
    return message;
  }

  function last(event, args, recipient) {
    const found = [...messages.values()].filter(
      (one) => one.event === event && (recipient ?? one.recipient) === one.recipient,
    );
    if (recipient === undefined && new Set(found.map((one) => one.recipient)).size > 1) {
      throw new Error(`"${event}" goes both ways: say { recipient: "client" } or "server".`);
    }
    return args === undefined
      ? found.at(-1)
      : found.find((one) => messages.get(name(one.recipient, event, args)) === one);
  }

  return {
    // What was seen of the last message of an event, or of the one with these arguments.
    message(event, args, { recipient } = {}) {
      const message = last(event, args, recipient) ?? empty(recipient ?? side, event);
      const handled = message.recipient === side;
      const listeners = message.listeners.size
        ? [...message.listeners.values()]
        : ends.map((end) => end.listeners(event));
      const all = side === "client" ? listeners.reduce((a, b) => a + b) : listeners.at(-1);
      return {
        listeners: handled ? all : null,
        sids: message.sids,
        packets: message.packets,
        calls: handled ? message.calls : null,
        effects: message.effects,
        clues: {
          recipient: message.recipient, [side]: "javascript", event, namespace,
          reconnects: message.reconnects,
          connections: message.connections.size || null,
          acknowledged: message.acknowledged,
          ...(ends.length === 1 ? ends[0].now() : {}),
        },
      };
    },
    // Tell that a message has had its effect: call it where the program has one.
    effect(event, ...args) {
      the(side, event, args).effects += 1;
    },
    // Observe no more.
    close() {
      for (const each of undo.splice(0)) each();
    },
  };
}

if (typeof module !== "undefined") module.exports = { observe };

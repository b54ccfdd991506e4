// Counts in a running Socket.IO program, client or server, and changes nothing in what it does.
//
//   const seen = observe(socket);               a socket of socket.io-client; several: [one, other]
//   const seen = observe(io);                   a server of socket.io, or one of its namespaces
//   JSON.stringify(seen.message("news"))        what diagnose() in Python takes
//
// Paste it before the first cut: later it does not know how often the client has reconnected. It
// wraps emit() of a socket and broadcast() of a server's adapter, to see what is never sent; the
// rest is documented. Calls are the listeners that an event has when it comes; if one of them
// throws, the later ones are not called. Options: key(event, args) gives what the copies of one
// message have in common; user(socket), for a server, the user of a socket, to be counted apart.

function observe(what, { key: given, user: whose, keep = 1000 } = {}) {
  const user = whose ?? (() => null);
  const key = given ?? sameArguments;
  const messages = new Map(); // the last one last
  const emits = new Map(); // the calls of emit(), by message
  let clock = 0;
  const undo = [];
  const ever = new Set(); // all sids that a server had
  let error = null; // the first that key() or user() has thrown
  let running = null; // the message whose listeners a server calls in this tick
  const ends = [];
  const OWN = ["connect", "connect_error", "disconnect"]; // a client's: this observer listens too
  const AIM = ["reached", "skipped", "raised", "room", "astray", "vacant", "lookalike", "sid", "volatile", "held", "untimed"];
  for (const end of [what].flat()) {
    if (known(end).sockets === undefined) ends.push(client(end));
    else if (end.sockets.sockets === undefined) ends.push(server(end)); // a namespace
    else {
      ends.push(server(end.sockets));
      for (const space of end._nsps.values()) if (space !== end.sockets) ends.push(server(space));
      listen(end, "new_namespace", (space) => ends.push(server(space)));
    }
  }
  const { side } = ends[0];
  const otherSide = side === "client" ? "server" : "client";
  if (side === "server") listen(process, "uncaughtExceptionMonitor", () => { if (running) running.failed = true; });

  function known(end) {
    if (typeof end?.sockets === "object" || typeof end?.onAnyOutgoing === "function") return end;
    throw new Error(typeof end?.onAny === "function"
      ? "observe() needs onAnyOutgoing(): socket.io or socket.io-client 4.5 or newer."
      : "observe() takes a socket of socket.io-client, or a server of socket.io. For a Manager give "
        + 'manager.socket("/"), for the Socket of ngx-socket-io its .ioSocket.');
  }

  function sameArguments(event, args) {
    const bytes = (name, value) =>
      value instanceof ArrayBuffer ? [...new Uint8Array(value)]
      : ArrayBuffer.isView(value) ? [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)]
      : value;
    return JSON.stringify(args, bytes);
  }

  function client(socket) {
    const end = {
      side: "client", namespace: socket.nsp, refused: false, rejected: false, queued: 0, before: socket.connected,
      reason: socket.connected ? null : "", reconnects: socket.connected ? null : -1, connection: null,
      own: new Set(),
      place() {
        const { id } = socket.io.engine ?? {};
        if (socket.connected && id !== end.connection) { // retries go out before "connect"
          end.connection = id;
          end.own.add(socket.id);
          if (end.reconnects !== null) end.reconnects += 1;
        }
        const reconnects = end.reconnects === null ? null : Math.max(0, end.reconnects);
        return { connection: end.connection, reconnects, user: null };
      },
      listeners: (event) => socket.listeners(event).length - (OWN.includes(event) ? 1 : 0),
      now: () => ({
        connected: socket.connected, before: end.before, refused: end.refused,
        rejected: end.rejected, reason: end.reason, queued: end.queued,
      }),
    };
    end.place();
    watch(end, socket);
    listen(socket, "connect", () => {
      end.place();
      Object.assign(end, { before: true, refused: false, rejected: false, queued: 0 });
    });
    listen(socket, "connect_error", (error) => {
      end.refused = true;
      end.rejected ||= error.type === undefined && error.message !== "timeout"; // else the transport
    });
    listen(socket, "disconnect", (reason) => { end.reason = reason; });
    return end;
  }

  function server(space) {
    const { adapter } = space;
    const alone = ["Adapter", "SessionAwareAdapter"].includes(adapter.constructor.name); // no others
    let used = space.sockets.size > 0;
    const reasons = new Map(), late = used; // why sessions ended, by user
    const entered = new Set(space.adapter.rooms.keys()); // rooms
    listen(adapter, "create-room", (room) => keepLast(entered.add(room)));
    const gone = new Map(); // who has left a room
    listen(adapter, "leave-room", (room, sid) => keepLast(gone.set(room,
      [...gone.get(room) ?? [], sid].filter((one) => space.sockets.has(one)))));
    let sidsOf = null; // by user; a broadcast counts them once
    const count = () => {
      sidsOf = new Map();
      for (const [sid, each] of space.sockets) { // the program may have changed each.id
        sidsOf.set(user(each), [...sidsOf.get(user(each)) ?? [], sid]);
      }
      queueMicrotask(() => { sidsOf = null; });
      return sidsOf;
    };
    const end = {
      side: "server", namespace: space.name, rooms: adapter.rooms,
      place(socket) {
        const mine = user(socket);
        return { connection: socket.conn.id, live: (sidsOf ?? count()).get(mine) ?? [], reconnects: null, user: mine };
      },
      listeners: (event) => // each socket has its own
        [...space.sockets.values()].reduce((most, one) => Math.max(most, one.listeners(event).length), 0),
      now: (one) => ({
        before: used, connected: (whose && one !== null && end.census().has(one)) || null,
        queue: !alone, recovery: Boolean(space.server?.opts?.connectionStateRecovery),
        reason: reasons.get(one) ?? (late || (whose && one === null) || reasons.has(one) ? null : ""),
      }),
      census: count,
    };
    // What an emit was for: nobody, if neither this server nor another has somebody there.
    const reach = (sids, more, names = [null]) => { // null: no room
      const [room] = names, alike = names.map(bare);
      const others = ends.filter((one) => one.rooms && one !== end).map((one) => one.rooms);
      const astray = others.some((there) => (room === null ? there.size > 0 : names.some((one) => there.has(one))));
      const aim = sids.length || more.skipped || !alone ? {
        room: null, astray: false, vacant: null, lookalike: null, sid: !ever.has(room) ? null : sids.length ? "live" : more.skipped ? "skipped" : null,
      } : {
        room: room === null ? "" : names.map((one) => JSON.stringify(one) ?? String(one)).join(", "), astray,
        vacant: !late && room !== null && !names.some((one) => entered.has(one)),
        lookalike: [...adapter.rooms.keys()].some((one) => !names.includes(one) && alike.includes(bare(one))),
        sid: ever.has(room) ? (astray ? "astray" : "ended") : null,
      };
      return {
        ...aim, ...more, target: JSON.stringify(names), out: names.flatMap((one) => [...gone.get(one) ?? []])
          .filter((sid) => space.sockets.has(sid) && !names.some((one) => adapter.rooms.get(one)?.has(sid))), reached: sids.length || alone ? sids.length : null, census: end.census(),
        sent: alone ? sids : null,
        users: sids.map((sid) => space.sockets.get(sid)).filter(Boolean).map(user),
      };
    };
    end.welcomes = () => ["connect", "connection"].some((one) => space.listeners(one).some((each) => each !== welcome));
    end.direct = (socket) => reach(socket.connected ? [socket.id] : [], { skipped: false }, [socket.id]);
    const broadcast = ({ data: [event, ...args] }, { rooms, except, flags }, ...asks) => {
      const members = (names) => new Set([...names].flatMap((one) => [...adapter.rooms.get(one) ?? []]));
      const all = rooms?.size ? members(rooms) : new Set(adapter.sids.keys());
      const out = members(except ?? []);
      const reached = [...all].filter((sid) => !out.has(sid) && space.sockets.has(sid));
      const left = [...all].filter((sid) => out.has(sid));
      const more = { skipped: left.length > 0, left, volatile: Boolean(flags?.volatile),
        untimed: asks.length > 0 && flags?.timeout === undefined };
      emitted(end, event, args, reach(reached, more, rooms?.size ? [...rooms] : undefined));
    };
    patch(adapter, "broadcast", broadcast);
    patch(adapter, "broadcastWithAck", broadcast);
    const watched = new Set();
    const welcome = (socket) => { // "connection" may fire several times for a socket
      if (watched.has(socket)) return;
      watched.add(socket);
      keepLast(ever.add(socket.id));
      used = true;
      listen(socket, "disconnect", quiet((reason) => {
        watched.delete(socket);
        const mine = user(socket), same = whose || (reasons.get(mine) ?? reason) === reason;
        keepLast(reasons.set(mine, same ? reason : null));
      }));
      watch(end, socket);
    };
    for (const socket of space.sockets.values()) welcome(socket);
    listen(space, "connection", welcome);
    return end;
  }

  function watch(end, socket) {
    const asked = new Map(); // emits by the id of the acknowledgement that they wait for
    const called = quiet((event, ...args) => {
      const message = theMessage(end.namespace, end.side, event, plain(args), end.place(socket).user);
      const listeners = socket.listeners(event).length;
      message.once = (socket.rawListeners ?? socket.listeners).call(socket, event)
        .some((one) => one.fn ?? one.listener); // of the client, or of Node.js
      const written = new Set(socket.listeners(event).map(String));
      message.alike = listeners > 1 ? written.size < listeners : null;
      message.listeners.set(end, Math.max(listeners, message.listeners.get(end) ?? 0));
      message.dropped = side === "server" && !socket.connected; // between its packet and this tick
      message.calls += message.dropped ? 0 : listeners;
      if (side === "client") return;
      running = message;
      process.nextTick(() => { running = null; });
    });
    let last = null; // the middleware of a server's socket, the last one that its events pass
    const arrived = quiet((event, ...args) => {
      const message = packet(end, end.side, event, plain(args), socket);
      message.arrived = true;
      if (side === "server") message.dropped = false;
      message.hears = () => socket.listeners(event).length > 0; // now
      message.acknowledged = typeof args.at(-1) === "function";
      if (side === "client") called(event, ...args);
      else if (last === null) {
        last = (given, next) => { // listeners are called in the next tick
          if (undo.length > 0) process.nextTick(called, ...given);
          next();
        };
        socket.use(last);
      }
    });
    const sent = quiet((event, ...args) => {
      if (side === "server" && !(socket.connected && (socket.conn.transport.writable
        || !emits.get(name(end.namespace, otherSide, event, key(event, args)))?.volatile))) return; // it is not sent
      const message = packet(end, otherSide, event, args, socket);
      const { engine } = socket.io ?? {};
      if (!engine) return; // of a server
      const waiting = engine.transport?.name === "polling" ? engine.writeBuffer.length + 1 : 0;
      end.queued = Math.max(end.queued, waiting);
      const longest = engine.maxPayload ?? engine._maxPayload;
      message.large = size(args) > (longest > 0 ? longest : 1e6);
    });
    socket.onAny(arrived);
    socket.onAnyOutgoing(sent);
    patch(socket, "emit", (event, ...args) => {
      const { volatile, fromQueue } = socket.flags ?? {}; // fromQueue: retries emit it again
      const facts = side === "client" ? { away: !socket.connected } : end.direct(socket);
      const one = fromQueue ? emits.get(name(end.namespace, otherSide, event, key(event, plain(args))))
        : emitted(end, event, plain(args), { volatile: Boolean(volatile), ...facts });
      if (one && side === "client" && typeof args.at(-1) === "function") {
        one.answered ??= false;
        keepLast(asked.set(socket.ids, one));
      }
      return () => { if (one) one.raised = true; };
    });
    if (end.side === "client") listen(socket.io, "packet", ({ type, nsp, id }) => {
      if (type === 3 && nsp === end.namespace && asked.has(id)) asked.get(id).answered = true;
    });
    end.deaf = () => side === "client" && !socket.listenersAny().includes(arrived);
    undo.push(() => socket.offAny(arrived), () => socket.offAnyOutgoing(sent));
  }

  // The letters and digits of a room's name.
  const bare = (room) => String(room).toLowerCase().replace(/[^\p{L}\p{N}]/gu, "") || String(room);

  const plain = (args) => (typeof args.at(-1) === "function" ? args.slice(0, -1) : args);

  function size(data) {
    if (typeof data === "string") return data.length;
    if (data?.byteLength !== undefined) return data.byteLength;
    if (data === null || typeof data !== "object") return 8;
    return Object.entries(data).reduce((sum, [key, value]) => sum + key.length + size(value), 0);
  }

  function patch(owner, method, look) {
    const before = owner[method], own = Object.hasOwn(owner, method), safely = quiet(look);
    const wrapper = function (...args) {
      const raised = safely(...args);
      try {
        return before.apply(this, args);
      } catch (thrown) {
        raised?.();
        throw thrown;
      }
    };
    owner[method] = wrapper;
    undo.push(() => {
      if (owner[method] !== wrapper) return; // it is wrapped once more
      if (own) owner[method] = before;
      else delete owner[method];
    });
  }

  function listen(emitter, event, listener) {
    emitter.on(event, listener);
    undo.push(() => emitter.off(event, listener));
  }

  // What goes wrong here must not reach the program.
  function quiet(look) {
    return (...args) => {
      try {
        return look(...args);
      } catch (thrown) {
        error ??= thrown;
      }
    };
  }

  const name = (...parts) => JSON.stringify(parts);

  function the(table, id, empty) {
    const entry = table.get(id) ?? empty();
    table.delete(id);
    table.set(id, entry);
    if (table.size > keep) table.delete(table.keys().next().value);
    return entry;
  }

  const keepLast = (table) => table.size > 10000 && table.delete(table.keys().next().value);

  function theMessage(namespace, recipient, event, args, whose = null) {
    const id = key(event, args);
    return the(messages, name(namespace, recipient, event, id, whose), () =>
      empty(namespace, recipient, event, id, whose));
  }

  function empty(namespace, recipient, event, id, whose) {
    return {
      namespace, recipient, event, id, user: whose, packets: 0, calls: 0, effects: null, when: 0,
      arrived: false, listeners: new Map(), live: null, reconnects: null, acknowledged: null,
      large: null, connections: new Set(), sent: new Set(), once: false, alike: null,
    };
  }

  const turn = []; // what was emitted in this turn of a server's event loop
  function emitted({ namespace }, event, args, facts) {
    const id = key(event, args);
    const one = the(emits, name(namespace, otherSide, event, id), () =>
      ({ namespace, recipient: otherSide, event, id, times: 0, rooms: new Set(), traces: [] }));
    if (facts.target) one.rooms.add(facts.target);
    if (one.traces.length < 100) one.traces.push(new Error()); // its stack is not written yet
    const onceAway = one.onceAway || facts.away, here = one.here || (facts.away === undefined ? null : !facts.away);
    const began = performance.now();
    if (side === "server" && turn.push(one) === 1) setImmediate(() => {
      const held = performance.now() - began > 250;
      for (const each of turn.splice(0)) each.held = held;
    });
    return Object.assign(one, facts, { times: one.times + 1, when: ++clock, onceAway, here, raised: false });
  }

  // The lines of the program that led to emit(), the nearest first: after the wrapper and the library.
  function place({ stack = "" }) {
    const lines = stack.split("\n");
    const from = lines.findLastIndex((line) => line.includes("wrapper")) + 1;
    const program = lines.slice(from).filter((line) => !/node_modules|node:/.test(line));
    const short = (line) => line.match(/[^/\\(@\s]+:\d+(?=:\d+\)?$)/)?.[0];
    return program.map(short).filter(Boolean).slice(0, 3).join(" < ");
  }

  function packet(end, recipient, event, args, socket) {
    const { connection, live = null, reconnects, user: whose } = end.place(socket);
    const message = theMessage(end.namespace, recipient, event, args, whose);
    message.packets += 1;
    message.when = ++clock;
    message.connections.add(connection);
    if (live !== null) message.sent.add(socket.id);
    if (live !== null && live.length >= (message.live?.length ?? 0)) message.live = live;
    message.reconnects = reconnects;
    return message;
  }

  function find(event, args, namespace, { recipient, user: whose }) {
    const asked = (one) => one.event === event && one.namespace === namespace
      && (recipient ?? one.recipient) === one.recipient;
    const found = [...messages.values()].filter((one) => asked(one) && (whose ?? one.user) === one.user);
    const sent = [...emits.values()].filter((one) => asked(one)
      && (whose === undefined || args !== undefined || !one.users?.length || one.users.includes(whose)));
    if (new Set([...found, ...sent].map((one) => one.recipient)).size > 1) {
      throw new Error(`"${event}" goes both ways: say { recipient: "client" } or "server".`);
    }
    const when = new Map(found.map((one) => [one.id, one.when]));
    for (const one of sent) when.set(one.id, one.when);
    const [last] = [...when].sort((a, b) => a[1] - b[1]).at(-1) ?? [null];
    const id = args === undefined ? last : key(event, args);
    const to = recipient ?? [...found, ...sent][0]?.recipient ?? null;
    return [
      found.filter((one) => one.id === id).at(-1) ?? empty(namespace, to, event, id, null),
      emits.get(name(namespace, to, event, id)) ?? { times: 0 },
    ];
  }

  const ofEvent = ({ event, recipient, namespace }) => [...messages.values()].filter((one) =>
    one.event === event && one.recipient === recipient && one.namespace === namespace);

  function worked(message) {
    const others = ofEvent(message).filter((one) => one.id !== message.id && one.packets > 0);
    const handled = others.filter((one) => one.calls > 0);
    return others.length ? { worked: handled.length > 0, once: handled.at(-1)?.once ?? null } : {};
  }

  // Where an event was emitted or came last, or is listened to.
  function spaceOf(event) {
    const seen = [...messages.values(), ...emits.values()].filter((one) => one.event === event);
    const [last] = seen.sort((a, b) => b.when - a.when);
    const listening = ends.find((end) => end.listeners(event));
    return (last ?? listening ?? ends[0]).namespace;
  }

  // JSON that Python compares; its beginning, if it is long.
  const shortened = (text) => [...text].slice(0, 200).join("");

  // Whether a reconnect adds listeners or packets; not if there are more without one.
  function grows(message) {
    const listeners = (one) => [...one.listeners.values()].reduce((a, b) => a + b, 0);
    const more = (one) => listeners(message) > listeners(one);
    const seen = ofEvent(message).filter((one) => one.reconnects !== null && one.user === message.user);
    const earlier = seen.findLast((one) => one.reconnects < message.reconnects || more(one));
    if (earlier === undefined) return null;
    return earlier.reconnects < message.reconnects && (more(earlier) || message.packets > earlier.packets);
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
      const namespace = options.namespace ?? spaceOf(event);
      const now = ends.filter((end) => end.namespace === namespace);
      const [message, one] = find(event, args, namespace, options);
      if (message.recipient === null && now.some((end) => end.listeners(event))) {
        message.recipient = side;
      }
      const handled = message.recipient === side;
      const counts = message.listeners.size
        ? [...message.listeners.values()]
        : now.map((end) => end.listeners(event));
      const all = side === "client" ? counts.reduce((a, b) => a + b, 0) : counts.at(-1);
      const places = now.filter((end) => end.side === "client").map((end) => end.place().reconnects);
      const census = one.census ?? now[0]?.census?.();
      const theirs = options.user === undefined ? [...census?.values() ?? []].flat() : census?.get(options.user);
      const live = message.live ?? (census ? theirs ?? [] : null);
      const own = ends.flatMap((end) => [...end.own ?? []]);
      const short = (sids) => (sids && sids.length <= 200 ? sids : null); // else it is no line to copy
      const came = ofEvent({ event, recipient: side, namespace }).filter((one) => one.arrived);
      const unheard = handled ? [...messages.values()].findLast((one) => one.event !== event && one.listeners.size
        && ![...one.listeners.values()].some(Boolean)) : null;
      const kin = [...emits.values()].some((other) => other.event === event && other.namespace === namespace);
      return {
        listeners: handled ? all : null,
        sids: live === null ? null : live.length,
        packets: message.packets,
        calls: handled ? message.calls : null,
        effects: message.effects,
        clues: {
          recipient: message.recipient, [side]: "javascript", event, namespace,
          whose: options.user === undefined && message.user === null ? null : true,
          reconnects: message.packets ? message.reconnects : (places[0] ?? null),
          connections: message.connections.size || null,
          clients: (side === "client" && message.listeners.size) || null,
          emitted: handled ? null : one.times, kin: handled || one.times ? null : kin,
          places: [...new Set(one.traces?.map(place))].filter(Boolean).sort().join(", ") || null,
          rooms: one.rooms?.size || null, alike: handled ? message.alike : null,
          ...Object.fromEntries(AIM.map((fact) => [fact, one[fact] ?? null])),
          away: (message.packets ? one.onceAway : one.away) ?? null, here: one.here ?? null,
          listens: message.arrived && handled && !all ? ends.find((end) => end.listeners(event))?.namespace ?? null : null,
          late: message.arrived && handled && !all ? message.hears() : null,
          dropped: message.dropped ?? null,
          welcomed: message.arrived && handled && !all ? now[0].welcomes?.() ?? null : null,
          large: message.large, died: handled || !message.sent.size ? null
            : ![...message.sent].some((sid) => now.some((end) => end.rooms?.has(sid))),
          unheard: (message.arrived ? null : unheard?.event) ?? null,
          ...(handled ? worked(message) : {}),
          arrived: handled ? message.arrived : null, failed: message.failed ?? null,
          acknowledged: message.acknowledged ?? (side === "client" && !handled && message.packets ? "answered" in one : null),
          answered: one.answered ?? null,
          grows: message.reconnects === null ? null : grows(message),
          ...(now.length === 1 ? now[0].now(options.user ?? message.user) : {}),
        },
        also: given ? [] : came.slice(-100).map((one) => shortened(one.id)),
        args: given || message.id === null ? null : shortened(message.id),
        who: {
          own: side === "client" ? short(own) : null, live: short(live),
          ever: one.census ? short([...ever]) : null,
          skipped: one.left?.length ? short(one.left) : null, out: one.out ? short(one.out) : null,
          sent: one.sent ? short([...new Set([...message.sent, ...one.sent])]) : null,
        },
      };
    },
    // Tell that a message has had its effect: call it where the program has one.
    effect(event, ...args) {
      theMessage(ends[0].namespace, side, event, args).effects += 1;
    },
    close() {
      for (const each of undo.splice(0)) each();
    },
  };
}

if (typeof module !== "undefined") module.exports = { observe };

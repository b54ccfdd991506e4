// Scopes of their own for the reproductions that share one Node.js, as tabs of one browser have.
// Run once in that Node.js, by kit.py; see tab() there.

const tabs = new Map();

async function openTab(number, url, fixed, MESSAGE, snippet) {
  const endings = [];
  const ending = (end) => endings.unshift(end);
  const end = async () => {
    tabs.delete(number);
    for (const each of endings) await each();
  };

  const log = { calls: 0, rows: [] };
  const opened = [];
  let served;
  const answerSync = (socket) => socket.on("sync", (ack) => ack());
  const synced = () => (served?.timeout(30000) ?? opened[0]).emitWithAck("sync");

  const scope = {
    url,
    fixed,
    MESSAGE,
    ending,
    rows: log.rows,
    show(text) {
      if (text !== MESSAGE) return;
      log.calls += 1;
      log.rows.push(text);
    },
    counts(event) {
      const sockets = served ? [...served.sockets.sockets.values()] : opened;
      const listeners = sockets.reduce((sum, socket) => sum + socket.listeners(event).length, 0);
      return [listeners, log.calls, log.rows.length];
    },
    fast: { transports: ["websocket"], reconnectionDelay: 10, randomizationFactor: 0 },
    io(...args) {
      const socket = io(...args);
      opened.push(answerSync(socket));
      ending(() => socket.disconnect());
      return socket;
    },
    connected: (socket) => new Promise((done) => socket.once("connect", done)),
    async serve(options) {
      const http = require("node:http").createServer();
      const server = new (require("socket.io").Server)(http, { serveClient: false, ...options });
      await new Promise((done) => http.listen(0, "127.0.0.1", done));
      server.url = `http://127.0.0.1:${http.address().port}`;
      ending(() => server.close());
      ending(() => server.disconnectSockets(true));
      server.on("connection", answerSync);
      served = server;
      return server;
    },
  };

  try {
    const given = await snippet(scope);
    const comes = (socket) => socket.active && socket.io.reconnection() && !socket.connected;
    await Promise.all(opened.filter(comes).map(scope.connected));
    const sids = () => served.sockets.sockets.size;
    const ofServer = { url: () => served.url, sids, has: (number) => sids() === number };
    const send = (event) => { opened[0].emit(event, MESSAGE); return synced(); };
    tabs.set(number, { ...ofServer, counts: scope.counts, send, synced, ...given, end });
  } catch (error) {
    await end();
    throw error;
  }
}

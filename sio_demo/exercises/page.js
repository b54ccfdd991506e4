// What a page of the exercises has besides socket.io-client; page.py sets `url` before it runs.
// `onAny` hears the "sync" also when the reader has removed all listeners.

globalThis.plainIo ??= io;
globalThis.sockets = [];
globalThis.io = (...args) => { const made = plainIo(...args); sockets.push(made); return made; };
globalThis.socket = io(url, { transports: ["websocket"], reconnectionDelay: 10,
                              randomizationFactor: 0, autoConnect: false, forceNew: true });
socket.onAny((event, ...args) => { if (event === "sync") args.at(-1)(); });
globalThis.page = { socket, calls: {} };
page.counted = (row) => (argument) => { page.calls[row].push(String(argument)); };
page.taken = () => Object.fromEntries(
  Object.entries(page.calls).map(([row, calls]) => [row, calls.splice(0)]));
page.listeners = (event) => sockets.reduce(
  (sum, each) => sum + each.listeners(event).length + each.listenersAny().length, 0);
page.watch = (event) => {
  const others = page.listeners(event);
  page.added = () => page.listeners(event) - others;
};
page.soon = async (condition) => {
  for (let i = 0; i < 100 && !condition(); i++) await new Promise((go) => setTimeout(go, 5));
  return condition();
};

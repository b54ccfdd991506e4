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

// What is around the reader's program in each exercise: its globals, and other parts of the page.
// It names the rows in `page.calls`; `page.counted(row)` is a function whose calls count there.
globalThis.around = {
  chat() {
    page.calls = { "your chat": [], "the unread counter": [] };
    page.status = "offline";
    globalThis.show = page.counted("your chat");
    globalThis.setStatus = (word) => { page.status = word; };
    socket.on("message", page.counted("the unread counter"));
    page.watch("message");
  },
  till() {
    page.calls = { "your till": [], "the price list": [] };
    page.tickets = 0;
    globalThis.ticket = () => `ticket ${page.tickets += 1}`;
    globalThis.greet = page.counted("your till");
    socket.on("welcome", page.counted("the price list"));
    page.watch("welcome");
  },
  card() {
    page.calls = { "the left card": [], "the right card": [], "the price tag": [] };
    page.open = (side) => page.mount({ show: page.counted(`the ${side} card`) });
    socket.on("bid", page.counted("the price tag"));
    page.watch("bid");
  },
};

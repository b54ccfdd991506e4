// A relay that closes what it opened for a connection.
const { store } = require("./store");
const { Server } = require("socket.io");
const { io } = require("socket.io-client");

new Server(3000).on("connection", (socket) => {
  const behind = io("https://example.org");
  behind.on("news", (item) => socket.emit("news", item));
  socket.on("disconnect", () => behind.disconnect());
});

// A server whose subscriptions end with the connection, by what they return.
new Server(3001).on("connection", (socket) => {
  const unsubscribe = store.subscribe("price", (price) => socket.emit("price", price));
  socket.on("disconnect", unsubscribe);
  const stop = store.on("rate", (rate) => socket.emit("rate", rate));
  const stops = [store.on("bid", bid), store.on("ask", ask)];
  socket.on("disconnect", () => {
    stop();
    stops.forEach((each) => each());
  });
});

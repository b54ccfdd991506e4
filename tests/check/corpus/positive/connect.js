// Listeners registered in handlers that run at every reconnection.
import { io } from "socket.io-client";

const socket = io("https://example.org");
const alias = socket;
const feed = io("https://example.org/feed");

socket.on("connect", () => {
  socket.on("inline", (data) => show(data)); // expect: listener-in-connect
  socket.once("greeting", show); // expect: listener-in-connect
  socket.addListener("by-name", show); // expect: listener-in-connect
  alias.on("by-alias", show); // expect: listener-in-connect
  feed.on("other-client", show); // expect: listener-in-connect
  socket.io.on("ping", show); // expect: listener-in-connect
  socket
    .on("first", show) // expect: listener-in-connect
    .on("second", show); // expect: listener-in-connect
  fetch("/token").then((token) => {
    socket.emit("authenticate", token).on("authenticated", show); // expect: listener-in-connect
  });
  ["a", "b"].forEach((event) => {
    socket.on(event, show); // expect: listener-in-connect
  });
  if (location.hash) socket.on("conditional", show); // expect: listener-in-connect
});

socket.io.on("reconnect", () => {
  socket.on("after-reconnect", show); // expect: listener-in-connect
});

feed.on("disconnect", function () {
  feed.on("late", show); // expect: listener-in-connect
});

function show(data) {
  console.log(data);
}

feed.on("connect", () => {
  document.querySelector("form").addEventListener("submit", () => feed.emit("sent")); // expect: listener-in-connect
  process.stdin.on("data", (line) => feed.emit("typed", line)); // expect: listener-in-connect
});

const table = io("https://example.org/table");
table.on("connect", () => {
  table.on("joined", () => { // expect: listener-in-connect
    table.off("joined");
  });
  table.on("left", show); // expect: listener-in-connect
});

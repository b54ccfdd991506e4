// Requests that register the handler of connections, again and again.
const express = require("express");
const { Server } = require("socket.io");
const app = express();
const http = require("http").createServer(app);
const io = require("socket.io")(http);

app.get("/lamp", (req, res) => {
  io.on("connection", (socket) => { // expect: connection-in-request
    socket.on("light", toggle);
  });
  res.render("lamp");
});

export default function handler(request, response) {
  if (!response.socket.server.io) {
    response.socket.server.io = new Server(response.socket.server);
  }
  const live = response.socket.server.io;
  live.on("connection", welcome); // expect: connection-in-request
  response.end();
}

app.post("/rooms", (req, res) => {
  if (!res.socket.server.rooms) {
    const rooms = new Server(res.socket.server);
    rooms.on("connection", welcome);
    res.socket.server.rooms = rooms;
  }
  res.end();
});

export function once(req, res) {
  if (res.socket.server.io) return res.end();
  const made = new Server(res.socket.server);
  made.on("connection", welcome);
  res.socket.server.io = made;
  res.end();
}

function listen(io) {
  io.of("/hall").on("connection", welcome); // expect: connection-in-request
}
app.get("/hall", (req, res) => {
  listen(io);
  res.render("hall");
});

function listenOnce(io) {
  io.of("/shop").on("connection", welcome);
}
let listens = false;
app.get("/shop", (req, res) => {
  if (!listens) {
    listens = true;
    listenOnce(io);
  }
  res.render("shop");
});

// What one event or one click registers, the next one registers again.
const { Server } = require("socket.io");
const { io: connect } = require("socket.io-client");
const bell = require("./bell");

const io = new Server(3000);
const socket = connect("https://example.org");
const button = document.querySelector("#open");

io.on("connection", (peer) => {
  peer.on("enter", (room) => {
    peer.join(room);
    peer.on("line", (text) => io.to(room).emit("line", text)); // expect: listener-in-handler
    watchTyping(peer, room);
  });
});

function watchTyping(peer, room) {
  peer.on("typing", () => peer.to(room).emit("typing")); // expect: listener-in-handler
}

socket.on("welcome", (user) => {
  socket.on("mail", (mail) => show(user, mail)); // expect: listener-in-handler
});

socket.on("connect", () => {
  socket.on("ready", () => { // expect: listener-in-connect
    socket.on("steady", draw); // expect: listener-in-connect
  });
});

function openBoard(id) {
  socket.emit("board", id);
  socket.on("strokes", draw); // expect: listener-in-handler
}
button.addEventListener("click", () => openBoard(button.value));

$("#name").keyup(function () {
  socket.emit("is free", this.value);
  socket.on("free", (yes) => $("#name").toggleClass("bad", !yes)); // expect: listener-in-handler
});

$("form").on("submit", () => {
  socket.on("saved", draw); // expect: listener-in-handler
});

button.onclick = function () {
  bell.ring();
  socket.addListener("answered", draw); // expect: listener-in-handler
};

function draw(data) {
  console.log(data);
}

// Events of a page, of a window, of a library: they come again as well.
window.addEventListener("popstate", function () {
  socket.on("page", draw); // expect: listener-in-handler
}, false);

ipcMain.handle("sheet", (_, id) => {
  socket.emit("sheet", id);
  socket.on("cells", draw); // expect: listener-in-handler
});

chart.on("zoomend", () => {
  socket.on("points", draw); // expect: listener-in-handler
});

io.of("/staff").on("connection", (peer) => {
  peer.use((packet, next) => {
    peer.on("log", draw); // expect: listener-in-handler
    next();
  });
});

const formulario = document.querySelector("form"); // `io` ends its name, and it is no server
formulario.addEventListener("submit", () => {
  socket.on("resposta", draw); // expect: listener-in-handler
});

io.on("connection", (peer) => {
  peer.on("seat", (room) => {
    if (room.host) {
      peer.on("look", () => peer.emit("room", room)); // expect: listener-in-handler
      return;
    }
    room.host = peer;
  });
});

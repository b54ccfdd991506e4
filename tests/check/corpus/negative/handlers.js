// What is registered in a handler, and does not add up.
const { Server } = require("socket.io");
const { io: connect } = require("socket.io-client");

const io = new Server(3000);
const socket = connect("https://example.org");
const button = document.querySelector("#open");
let listening = false;

io.on("connection", (peer) => {
  peer.on("enter", (room) => {
    peer.removeAllListeners("line");
    peer.on("line", (text) => io.to(room).emit("line", text));
    const said = (text) => io.to(room).emit("said", text);
    peer.on("say", said);
    peer.once("leave", () => peer.off("say", said));
  });
  peer.on("watch", (id) => io.sockets.sockets.get(id)?.emit("watched", peer.id));
});

socket.once("welcome", (user) => {
  socket.on("mail", (mail) => console.log(user, mail));
});

button.addEventListener("click", () => {
  socket.emit("board", button.value);
  socket.once("strokes", console.log);
  if (!listening) {
    listening = true;
    socket.on("late strokes", console.log);
  }
});

button.onclick = () => {
  const other = connect("https://example.org/other");
  other.on("answer", (answer) => {
    console.log(answer);
    other.disconnect();
  });
};

socket.on("call", (offer) => {
  const peer = new RTCPeerConnection();
  peer.addEventListener("track", () => socket.emit("answered", offer));
});

window.addEventListener("load", () => socket.on("page", console.log));
window.addEventListener("popstate", () => socket.on("sheet", console.log), { once: true });

authorized(io).on("authenticated", (client) => {
  client.on("note", (text) => io.emit("note", text));
});

gate.on("visitor", (socket) => {
  socket.on("knock", () => socket.emit("come in"));
});

process.on("exit", () => socket.on("late", console.log));

// Each `authenticated` brings another socket.
io.on("authenticated", (peer) => greet(peer));

function greet(socket) {
  socket.on("say", (text) => console.log(text));
}

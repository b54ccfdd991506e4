// The handler is named, or does its work through other functions of the file.
const io = require("socket.io-client");
const socket = io.connect("http://localhost:3000", { transports: ["websocket"] });

socket.on("connect", onConnect);

function onConnect() {
  socket.emit("join", "news");
  subscribe(socket);
}

function subscribe(connection) {
  connection.on("news", print); // expect: listener-in-connect
  const more = () => {
    connection.on("more", print); // expect: listener-in-connect
  };
  more();
}

const print = (data) => console.log(data);

const other = require("socket.io-client")("http://localhost:3001");
const begin = function () {
  other.on("begun", print); // expect: listener-in-connect
};
other.on("connect", begin);

// The emitter is the object itself, or a channel of a broker.
const { EventEmitter } = require("events");
const { Server } = require("socket.io");
const { channel } = require("./broker");

class Till extends EventEmitter {
  constructor(io) {
    super();
    io.on("connection", (socket) => {
      this.on("sale", (sale) => socket.emit("sale", sale)); // expect: shared-emitter-in-connection
    });
  }
}

const io = new Server(3000);
io.on("connection", (socket) => {
  channel.consume("sales", (sale) => socket.emit("sold", sale)); // expect: shared-emitter-in-connection
});
new Till(io);

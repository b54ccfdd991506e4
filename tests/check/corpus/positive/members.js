// The library itself, and the client, are kept in members; the handler is in an object.
class Feed {
  constructor(url) {
    this.io = require("socket.io-client");
    this.link = this.io(url);
    this.link.on("connect", this.ready.bind(this));
  }

  ready() {
    this.link.on("news", console.log); // expect: listener-in-connect
  }
}

const app = {
  start() {
    this.socket = require("socket.io-client").connect("http://localhost:3000");
    this.socket.on("connect", handlers.connected);
  },
};

const handlers = {
  connected() {
    app.socket.on("news", console.log); // expect: listener-in-connect
  },
};

module.exports = { Feed, app };

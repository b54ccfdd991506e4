// The other class is written elsewhere: its `init` is not the one that is here.
const { io } = require("../app");
const Board = require("./board");

class Hall {
  init() {
    io.of("/hall").on("connection", (socket) => {
      socket.on("play", () => {
        const board = new Board();
        board.init();
      });
    });
  }
}

new Hall().init();

// A class whose constructor adds to the socket that it is given.
const io = require("socket.io")(3000);

class Wall {
  constructor(size) {
    this.size = size;
  }
}

class Player {
  constructor(socket, wall) {
    this.socket = socket;
    this.socket.on("move", (step) => wall.check(step)); // expect: listener-in-handler
  }
}

io.on("connection", (socket) => {
  const owner = new Player(socket, new Wall(1));
  socket.on("join", (room) => {
    new Player(socket, new Wall(room.size));
    owner.leave(room);
  });
});

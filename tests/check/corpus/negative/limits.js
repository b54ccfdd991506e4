// A server's class that is handed the sockets: a key of what it counts is no message's id.
export class Limits {
  allow(socket, action) {
    const key = `${socket.id}_${action}`;
    return this.count(key) < 10;
  }

  watch(socket) {
    socket.on("say", () => this.allow(socket, "say"));
  }
}

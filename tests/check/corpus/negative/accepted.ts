// What gives its handler a socket is a server, whatever its name and its event.
import { feed } from "./feed";

export function serve(socketManager) {
  socketManager.on("connect", (socket) => {
    socket.on("order", (order) => feed.add(order));
    socket.join("kitchen");
  });
}

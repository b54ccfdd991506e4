// Objects of this file that only hand on what a component gives them.
import { useEffect } from "react";
import { io } from "socket.io-client";

class Live {
  link = io("/live");

  onNews(run) {
    this.link.on("news", run); // expect: listener-without-cleanup
  }
}

const live = new Live();
const rooms = {
  socket: io("/rooms"),
  onJoin: (run) => rooms.socket.on("join", run), // expect: listener-without-cleanup
};

export function useNews(show) {
  useEffect(() => {
    live.onNews(show);
    rooms.onJoin(show);
  }, []);
}

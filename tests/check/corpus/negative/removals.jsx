import { useEffect } from "react";
import { socket } from "./socket";
import { EVENTS } from "./events";

export function Board({ view, other }) {
  const add = view.add.bind(view);
  useEffect(() => {
    socket.on("chat", add);
    socket.on(EVENTS.NEW_MOVE, other);
    return () => {
      socket.off("chat", add);
      socket.off("new-move", other);
    };
  }, []);
  return <div />;
}

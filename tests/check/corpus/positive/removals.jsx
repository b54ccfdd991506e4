// `off` that takes nothing off: another event, another function, or a new one.
import { useEffect } from "react";
import { socket } from "./socket";

export function Board({ view }) {
  function onMove() {}
  function onUndo() {}
  useEffect(() => {
    socket.on("new-move", onMove); // expect: listener-without-cleanup
    return () => socket.off("newMove", onMove);
  }, []);
  useEffect(() => {
    socket.on("chat", view.add.bind(view)); // expect: listener-without-cleanup
    return () => socket.off("chat", view.add.bind(view));
  }, []);
  useEffect(() => {
    socket.on("move", onMove); // expect: listener-without-cleanup
    socket.on("undo", onUndo); // expect: listener-without-cleanup
    return () => {
      socket.off("move", onUndo);
      socket.off("undo", onMove);
    };
  }, []);
  return <div />;
}

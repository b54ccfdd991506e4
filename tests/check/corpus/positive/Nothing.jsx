// Components that show nothing.
import { useEffect } from "react";
import { io } from "socket.io-client";
import { socket } from "./socket";

export default function Live() {
  const own = io("/live"); // expect: client-in-handler
  own.on("goal", shout);
  return null;
}

export function Log() {
  useEffect(() => {
    socket.onAny((event) => console.log(event)); // expect: listener-without-cleanup
  }, []);
  useEffect(() => {
    socket.onAny(write);
    return () => socket.offAny(write);
  }, []);
  return null;
}

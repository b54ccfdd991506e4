// The client that is closed is new each time, or a service that makes one in `connect`.
import React, { useEffect } from "react";
import { io } from "socket.io-client";
import { socketService } from "./service";
import { socket } from "./socket";

export function Lounge({ token, room }) {
  useEffect(() => {
    const own = io("/lounge", { autoConnect: false });
    own.connect();
    own.on("guest", console.log);
    own.io.on("reconnect", () => own.emit("join", room));
    return () => own.disconnect();
  }, [room]);
  useEffect(() => {
    socketService.connect(token);
    socketService.on("guest", console.log);
    return () => socketService.disconnect();
  }, [token]);
  useEffect(() => {
    socket.connect();
    socket.on("guest", console.log);
    return () => {
      socket.removeAllListeners();
      socket.disconnect();
    };
  }, []);
  return <p />;
}

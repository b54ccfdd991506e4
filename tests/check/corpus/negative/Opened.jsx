// The client is opened with its listeners: it is new, or a service has none yet.
import React, { useEffect, useRef } from "react";
import { io } from "socket.io-client";
import { socketService } from "./service";

export function Bar({ room }) {
  const socketRef = useRef(null);
  useEffect(() => {
    socketRef.current = io("/bar", { autoConnect: false });
    socketRef.current.connect();
    socketRef.current.on("guest", console.log);
    return () => socketRef.current.disconnect();
  }, [room]);
  return <p />;
}

export function Kitchen() {
  useEffect(() => {
    if (socketService.socket) return;
    socketService.connect();
    socketService.on("guest", console.log);
  }, []);
  return <p />;
}

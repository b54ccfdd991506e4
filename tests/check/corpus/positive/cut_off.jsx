// A client that is cut off comes back by itself, beside the one that replaced it.
import { useEffect } from "react";
import { io } from "socket.io-client";

let socket;

export function Ferry() {
  useEffect(() => {
    if (!socket || !socket.connected) {
      socket = io("/ferries"); // expect: client-in-handler
    }
  }, []);
  return <p />;
}

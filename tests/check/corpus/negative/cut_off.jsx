// The client that is there is kept, or closed before another one is made.
import { useEffect } from "react";
import { io } from "socket.io-client";

let socket;
let quay;

export function Ferry() {
  useEffect(() => {
    if (!socket) socket = io("/ferries");
  }, []);
  useEffect(() => {
    if (!quay || !quay.connected) {
      quay?.disconnect();
      quay = io("/quay");
    }
  }, []);
  return <p />;
}

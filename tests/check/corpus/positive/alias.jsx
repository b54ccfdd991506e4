// Names of one's own for folders: their sockets are known by name alone.
import { useEffect } from "react";
import socket from "@core/socket";
import { chatSocket } from "services/realtime";
import { roomSocket } from "api"; // below `baseUrl`

export function Feed({ add }) {
  useEffect(() => {
    socket.on("post", add); // expect: listener-without-cleanup
    chatSocket.on("line", add); // expect: listener-without-cleanup
    roomSocket.on("seat", add); // expect: listener-without-cleanup
  }, [add]);
  return <ul />;
}

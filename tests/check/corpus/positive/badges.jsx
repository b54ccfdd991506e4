// Two components, one client: what one removes when it goes, the other one needs.
import { useEffect } from "react";
import { socket } from "./socket";

socket.on("maintenance", (text) => console.warn(text));

export function Badge({ count }) {
  useEffect(() => {
    const more = () => count.add(1);
    socket.on("mail", more);
    return () => {
      socket.off("mail"); // expect: cleanup-of-others
    };
  }, [count]);
  return <b />;
}

export function Inbox({ add }) {
  useEffect(() => {
    socket.on("mail", add);
    socket.on("moved", add);
    return () => {
      socket.off("moved");
      socket.removeAllListeners("mail"); // expect: cleanup-of-others
    };
  }, [add]);
  return <ul />;
}

export function Footer({ show }) {
  useEffect(() => {
    socket.on("footer", show);
    return () => socket.removeAllListeners(); // expect: cleanup-of-others
  }, [show]);
  return <footer />;
}

// A file that only sends: what it registers is elsewhere.
import socket from "./socket";

export function sender(text) {
  return () => {
    const note = { id: `${socket.id}-${Date.now()}`, text }; // expect: id-from-socket-id
    socket.emit("note", note);
  };
}

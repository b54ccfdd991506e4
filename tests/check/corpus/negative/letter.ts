// The socket is the server's end, which always has an id.
import type { Socket } from "socket.io";

export const letter = (socket: Socket, text: string) => ({
  text,
  messageId: `${socket.id}/${Date.now()}`,
});

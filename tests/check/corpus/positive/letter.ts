// The type tells that the socket which is handed over is the client's end.
import type { Socket } from "socket.io-client";

export const letter = (socket: Socket, text: string) => ({
  text,
  messageId: `${socket.id}/${Date.now()}`, // expect: id-from-socket-id
});

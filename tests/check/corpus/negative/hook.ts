import { useEffect } from "react";
import type { Socket } from "socket.io-client";

type Handlers = Record<string, (data: unknown) => void>;

export function useEvents(socket: Socket, handlers: Handlers): void {
  useEffect(() => {
    for (const [event, handler] of Object.entries(handlers)) {
      socket.on(event, handler);
    }
    return () => {
      for (const [event, handler] of Object.entries(handlers)) {
        socket.off(event, handler);
      }
    };
  }, [socket, handlers]);
}

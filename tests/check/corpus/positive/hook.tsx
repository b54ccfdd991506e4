import { useCallback, useEffect, useRef } from "react";
import { io, type Socket } from "socket.io-client";

export function useNews(socket: Socket | null, show: (text: string) => void): void {
  useEffect(() => {
    socket?.on("news", show); // expect: listener-without-cleanup
  }, [socket, show]);
}

export function useConnection(url: string) {
  const ref = useRef<Socket | null>(null);
  const open = useCallback(() => {
    ref.current = io(url); // expect: client-in-handler
    ref.current.on("connect", () => {
      ref.current?.on("ready", console.log); // expect: listener-in-connect
    });
  }, [url]);
  useEffect(() => {
    open();
  }, [open]);
  return ref;
}

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

const lines: Record<string, Socket> = {};

export function useLine(kind: string) {
  if (!lines[kind]) lines[kind] = io(`https://example.org/${kind}`);
  return { socket: lines[kind] };
}

export function Lines({ show }: { show: () => void }) {
  const { socket: line } = useLine("chat");
  useEffect(() => {
    line.on("left", show); // expect: listener-without-cleanup
    return () => {
      line.off("joined");
    };
  }, []);
  return null;
}

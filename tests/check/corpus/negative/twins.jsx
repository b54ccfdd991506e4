// The same client, event and function, in other words.
import { useEffect, useMemo } from "react";
import { io } from "socket.io-client";
import { deskSocket as desk } from "./clients";

export function Desk({ ring, floor }) {
  useEffect(() => {
    desk.on(`call:${floor}`, ring);
    return () => desk.off("call:" + floor, ring);
  }, [floor, ring]);
  useEffect(() => {
    desk.on(`step:${floor}`, ring);
    return () => desk.off(`step:${floor}`, ring);
  }, [floor, ring]);
  const own = useMemo(() => io("/own", { query: { floor } }), [floor]);
  useEffect(() => () => own.disconnect(), [own]);
  return null;
}

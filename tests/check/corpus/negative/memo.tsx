// Clients of `useMemo` that an effect closes as often, and values that are none.
import { useEffect, useMemo } from "react";
import { io } from "socket.io-client";

export function Prices({ rows, room }: { rows: number[]; room: string }) {
  const prices = useMemo(() => io(`/prices/${room}`), [room]);
  const total = useMemo(() => rows.reduce((sum, row) => sum + row, 0), [rows]);
  useEffect(() => {
    prices.on("price", console.log);
    return () => {
      prices.disconnect();
    };
  }, [room]);
  return <p>{total}</p>;
}

// What `useMemo` runs again for other dependencies, nothing takes back.
import { useMemo, useState } from "react";
import { io } from "socket.io-client";
import { socket } from "./socket";

export function Prices({ room }: { room: string }) {
  const prices = useMemo(() => io("/prices"), [room]); // expect: client-in-handler
  useMemo(() => {
    socket.on("closed", () => alert(room)); // expect: listener-without-cleanup
  }, [room]);
  return <Table prices={prices} />;
}

export function Ticker() {
  const [feed] = useState(() => io("/feed")); // expect: client-in-handler
  const quotes = useMemo(() => io("/quotes"), []); // expect: client-in-handler
  return <Table prices={[feed, quotes]} />;
}

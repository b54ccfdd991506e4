import React, { useEffect, useState } from "react";
import io from "socket.io-client";

let line;

// The client of an effect is older than the next render, which adds a listener to it.
export function Queue({ place }) {
  const [waiting, setWaiting] = useState(true);
  useEffect(() => {
    line = io("/queue");
    return () => line.disconnect();
  }, []);
  if (waiting) {
    line.on("served", () => setWaiting(false)); // expect: listener-without-cleanup
  }
  return <p>{place}</p>;
}

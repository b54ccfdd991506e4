// The cleanup of an effect that runs once sees the state of the first render: no client yet.
import { useEffect, useState } from "react";
import { io } from "socket.io-client";

export function Ferry({ line }) {
  const [socket, setSocket] = useState(null);
  const [boarding, setBoarding] = useState();
  useEffect(() => {
    const opened = io(`/ferries/${line}`); // expect: client-in-handler
    opened.on("departure", console.log);
    setSocket(opened);
    return () => {
      if (socket) socket.disconnect();
    };
  }, []);
  useEffect(() => {
    setBoarding(io("/boarding")); // expect: client-in-handler
    return () => boarding?.close();
  }, []);
  return <p />;
}

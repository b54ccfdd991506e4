import { useEffect, useRef, useState } from "react";
import { io } from "socket.io-client";

export function Ferry({ line }) {
  const [socket, setSocket] = useState(null);
  const [gate, setGate] = useState(null);
  const pier = useRef(null);
  useEffect(() => {
    const opened = io(`/ferries/${line}`);
    setSocket(opened);
    return () => opened.disconnect();
  }, []);
  useEffect(() => {
    setGate(io("/gate"));
  }, []);
  useEffect(() => () => gate?.disconnect(), [gate]); // sees each client in its turn
  useEffect(() => {
    pier.current = io("/pier");
    return () => pier.current?.disconnect();
  }, []);
  return <p>{socket?.id}</p>;
}

export function Quay() {
  const [socket, setSocket] = useState(null);
  useEffect(() => {
    setSocket(io("/cranes"));
  }, []);
  useEffect(() => () => socket?.disconnect(), [socket]);
  return <p />;
}

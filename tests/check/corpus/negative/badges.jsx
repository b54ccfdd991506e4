// What is removed is one's own.
import { useEffect } from "react";
import { io } from "socket.io-client";
import { deskSocket, hallSocket } from "./clients";

export function Desk({ ring }) {
  useEffect(() => {
    deskSocket.on("bell", ring);
    deskSocket.on("step", ring);
    return () => {
      deskSocket.off("bell");
      deskSocket.off("step", ring);
    };
  }, [ring]);
  return null;
}

export function Hall({ ring }) {
  useEffect(() => {
    hallSocket.on("bell", ring);
    hallSocket.on("step", ring);
    return () => {
      hallSocket.off("bell");
      hallSocket.off("step", ring);
    };
  }, [ring]);
  return null;
}

export function Lift({ ring }) {
  useEffect(() => {
    const own = io("/lift");
    own.on("bell", ring);
    return () => {
      own.removeAllListeners();
      own.disconnect();
    };
  }, [ring]);
  return null;
}

export function Bus({ bus, show }) {
  useEffect(() => {
    bus.on("bell", show);
    return () => bus.off("bell");
  }, [bus, show]);
  return null;
}

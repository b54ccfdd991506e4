// What is taken back is another client's, another event's, or another function.
import { useEffect } from "react";
import { io } from "socket.io-client";
import { deskSocket as desk, hallSocket as hall } from "./clients";

const lift = io("/lift");
const door = io("/door");

lift.on("connect", () => {
  door.off("stop", halt);
  lift.on("stop", halt); // expect: listener-in-connect
});

export function Desk({ ring, knock, floor }) {
  useEffect(() => {
    desk.on("bell", ring); // expect: listener-without-cleanup
    return () => hall.off("bell", ring);
  }, [ring]);
  useEffect(() => {
    desk.on("step", ring); // expect: listener-without-cleanup
    return () => desk.off("step", knock);
  }, [ring, knock]);
  useEffect(() => {
    hall.on(`call:${floor}`, ring); // expect: listener-without-cleanup
    return () => hall.off("answer", ring);
  }, [floor]);
  return null;
}

export function Stairs({ climb, fall }) {
  useEffect(() => {
    const up = io("/up"); // expect: client-in-handler
    up.on("step", climb);
    return () => console.log("left");
  }, [climb]);
  useEffect(() => {
    const down = io("/down");
    down.on("step", fall);
    return () => down.close();
  }, [climb, fall]);
  return null;
}

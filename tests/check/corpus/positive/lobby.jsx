// A client that is kept with other things, under a name that says nothing.
import { useContext, useEffect, useState } from "react";
import { io } from "socket.io-client";
import { Shared } from "./shared";

export function Own() {
  const [state, setState] = useState({ ws: null });
  useEffect(() => {
    const made = io("/own");
    setState({ ws: made });
    return () => made.close();
  }, []);
  useEffect(() => {
    state.ws?.on("guests", setGuests);
  }, [state.ws]);
  return <p />;
}

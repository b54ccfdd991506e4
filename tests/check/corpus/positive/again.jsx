// Updates that add, removals of another event or function, and a client that is new.
import React, { Component, useEffect } from "react";
import { socket } from "../socket";
export class Panel extends Component {
  componentDidUpdate(prevProps) {
    if (prevProps.id !== this.props.id) {
      this.props.socket.on("x" + this.props.id, this.x); // expect: listener-without-cleanup
    }
    if (prevProps.socket !== this.props.socket) {
      this.props.socket.on("y", this.y);
    }
  }
  render() { return <p />; }
}
export function R() {
  useEffect(() => {
    socket.on("joined", onJoin); // expect: listener-without-cleanup
    socket.on("left", onLeave);
    return () => {
      socket.off("join", onJoin);
      socket.off("left", onLeave);
    };
  }, []);
  useEffect(() => {
    const h = (m) => add(m);
    const g = (m) => drop(m);
    socket.on("m", h); // expect: listener-without-cleanup
    return () => socket.off("m", g);
  }, []);
  return <p />;
}

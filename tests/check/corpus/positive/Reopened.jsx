// Closing a client that lives on removes none of its listeners: it is opened again.
import React, { useEffect } from "react";
import { socket } from "./socket";

export function Lounge() {
  useEffect(() => {
    socket.connect();
    socket.on("guest", console.log); // expect: listener-without-cleanup
    return () => socket.disconnect();
  }, []);
  return <p />;
}

export class Hall extends React.Component {
  componentDidMount() {
    this.props.socket.open();
    this.props.socket.on("guest", this.greet); // expect: listener-without-cleanup
    this.props.socket.on("left", this.wave);
  }

  componentWillUnmount() {
    this.props.socket.off("left", this.wave);
    this.props.socket.disconnect();
  }
}

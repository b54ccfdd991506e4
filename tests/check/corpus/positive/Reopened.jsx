// Closing a client that lives on removes none of its listeners: it is opened again.
import React, { useContext, useEffect, useRef } from "react";
import { socketService } from "./service";
import { Lobby, socket } from "./socket";

export function Lounge() {
  useEffect(() => {
    socket.connect();
    socket.on("guest", console.log); // expect: listener-without-cleanup
    return () => socket.disconnect();
  }, []);
  return <p />;
}

export function Bar() {
  const socketRef = useRef(useContext(Lobby));
  useEffect(() => {
    socketRef.current?.on("guest", console.log); // expect: listener-without-cleanup
    socketRef.current?.connect();
    return () => {
      socketRef.current?.disconnect();
    };
  }, []);
  return <p />;
}

export function Kitchen() {
  useEffect(() => {
    if (!socketService.socket) socketService.connect();
    socketService.on("guest", console.log); // expect: listener-without-cleanup
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

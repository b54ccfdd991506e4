import React from "react";
import io from "socket.io-client";

export class Table extends React.Component {
  constructor(props) {
    super(props);
    this.socket = io("https://example.org");
    this.socket.on("cards", console.log);
  }

  componentWillUnmount = () => {
    this.socket.disconnect();
  };

  render() {
    return <p />;
  }
}

export class Seat extends React.Component {
  constructor(props) {
    super(props);
    props.socket.on("turn", this.turn);
  }

  componentWillUnmount() {
    this.props.socket.off("turn", this.turn);
  }

  turn = () => this.forceUpdate();

  render() {
    return <p />;
  }
}

// Not a component: it is made once.
export class Connection {
  constructor(socket) {
    socket.on("news", console.log);
  }
}

export class Clock extends React.Component {
  socket = io("https://example.org");

  componentWillUnmount() {
    this.socket.close();
  }

  render() {
    return <p />;
  }
}

export class Times {
  socket = io("https://example.org");
}

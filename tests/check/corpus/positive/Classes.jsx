// Class components: what their constructors and their arrow members do at each mount.
import React, { Component } from "react";
import io from "socket.io-client";

export class Scores extends Component {
  constructor(props) {
    super(props);
    this.socket = props.socket;
    this.socket.on("score", (score) => this.setState({ score })); // expect: listener-without-cleanup
  }

  componentDidMount = () => {
    this.socket.on("winner", console.log); // expect: listener-without-cleanup
  };

  render() {
    return <p />;
  }
}

export class Lobby extends React.Component {
  constructor(props) {
    super(props);
    this.state = { socket: io("https://example.org") }; // expect: client-in-handler
  }

  componentDidMount() {
    this.state.socket.on("players", console.log);
  }

  render() {
    return <p />;
  }
}

export class Board extends Component {
  state = { moves: [], socket: io("https://example.org") }; // expect: client-in-handler

  componentDidMount() {
    this.state.socket.on("move", (move) => this.setState({ moves: [move] }));
  }

  render() {
    return <p />;
  }
}

// An emitter of another kind: nothing connects.
import React from "react";

export default class Lobby extends React.Component {
  componentDidMount() {
    this.props.stream.on("rooms", (rooms) => this.setState({ rooms }));
  }

  open(name) {
    this.props.stream.emit("open", name);
  }
}

export class Board extends React.Component {
  componentDidMount() {
    this.props.bus.on("connect", () => this.setState({ online: true }));
    this.props.bus.emit("board", this.state.name);
  }
}

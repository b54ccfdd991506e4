// A client whose name says nothing: it listens for `connect`, and it emits.
import React from "react";

export default class Lobby extends React.Component {
  constructor(props) {
    super(props);
    this.props.stream.on("connect", () => this.setState({ online: true })); // expect: listener-without-cleanup
    this.props.stream.on("rooms", (rooms) => this.setState({ rooms })); // expect: listener-without-cleanup
  }

  open(name) {
    this.props.stream.emit("open", name);
  }
}

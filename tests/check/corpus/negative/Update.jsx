import React from "react";
import { socket } from "./socket";

export class Feed extends React.Component {
  componentDidUpdate(before) {
    if (before.room === this.props.room) return;
    socket.off("post", this.add);
    socket.on("post", this.add);
  }

  componentDidMount() {
    if (!this.listening) {
      this.listening = true;
      socket.on("like", this.like);
    }
  }

  render() {
    return <ul />;
  }
}

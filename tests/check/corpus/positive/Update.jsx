import React from "react";
import { socket } from "./socket";

// Each update adds one; what is removed at the end is only the last of them.
export class Feed extends React.Component {
  componentDidUpdate(before) {
    if (before.room !== this.props.room) {
      socket.on("post", this.add); // expect: listener-without-cleanup
    }
  }

  componentWillUnmount() {
    socket.off("post", this.add);
  }

  render() {
    return <ul />;
  }
}

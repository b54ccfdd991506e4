import React, { useContext, useEffect, useRef, useState } from "react";
import io from "socket.io-client";
import { connectSocket, Events, socket } from "./socket";
import { SocketContext } from "./context";

export function Plain({ room }) {
  const [messages, setMessages] = useState([]);
  useEffect(() => {
    socket.emit("join", room);
    socket.on("message", (text) => setMessages([...messages, text])); // expect: listener-without-cleanup
  }, [room, messages]);
  return <ul>{messages.map((text) => <li key={text}>{text}</li>)}</ul>;
}

export const FromContext = () => {
  const { socket: shared } = useContext(SocketContext);
  React.useLayoutEffect(() => {
    if (!shared) return;
    shared.on("news", console.log); // expect: listener-without-cleanup
  }, [shared]);
  return null;
};

export function OneForgotten() {
  useEffect(() => {
    socket.on("kept", console.log);
    socket.on("forgotten", console.log); // expect: listener-without-cleanup
    return () => {
      socket.off("kept", console.log);
    };
  }, []);
  return <p />;
}

export function OtherFunction() {
  useEffect(() => {
    socket.on("news", (text) => console.log(text)); // expect: listener-without-cleanup
    return () => socket.off("news", (text) => console.log(text));
  }, []);
  return <p />;
}

export function OnlyTheTimer() {
  useEffect(() => {
    const timer = setInterval(() => socket.emit("alive"), 1000);
    socket.on("news", console.log); // expect: listener-without-cleanup
    return () => clearInterval(timer);
  }, []);
  return <p />;
}

export function InAnInnerFunction() {
  const listen = () => {
    socket.on("inner", console.log); // expect: listener-without-cleanup
  };
  useEffect(() => {
    const start = async () => {
      await fetch("/session");
      listen();
    };
    start();
  }, []);
  return <p />;
}

export function EachRender() {
  const client = io("https://example.org"); // expect: client-in-handler
  socket.on("news", console.log); // expect: listener-without-cleanup
  return <p>{client.id}</p>;
}

export function InRef() {
  const client = useRef(io("https://example.org")); // expect: client-in-handler
  return <p>{client.current.id}</p>;
}

let late;

export function EachMount() {
  useEffect(() => {
    late = io("https://example.org"); // expect: client-in-handler
    late.on("news", console.log);
    late.io.on("reconnect", console.log);
  }, []);
  useEffect(() => {
    late.on("more", console.log); // expect: listener-without-cleanup
  });
  return <p />;
}

export function OtherThingsClosed({ peer, stream }) {
  useEffect(() => {
    socket.on("call", console.log); // expect: listener-without-cleanup
    return () => {
      peer.close();
      stream.getTracks().forEach((track) => track.stop());
      localStorage.removeItem("call");
    };
  }, [peer, stream]);
  return <p />;
}

export class Old extends React.Component {
  componentDidMount() {
    this.props.socket.on("news", this.show); // expect: listener-without-cleanup
  }

  show = (text) => this.setState({ text });

  render() {
    return <p />;
  }
}

export function ClosedMoreSeldom({ room, user }) {
  useEffect(() => {
    late = io("https://example.org");
    return () => late.disconnect();
  }, [user]);
  useEffect(() => {
    late.on("news", () => console.log(room)); // expect: listener-without-cleanup
  }, [room]);
  return <p />;
}

export function OnlyListenersRemoved({ user }) {
  useEffect(() => {
    late = io("https://example.org"); // expect: client-in-handler
    late.emit("setup", user);
  }, [user]);
  useEffect(() => {
    late.on("news", console.log);
    return () => late.off("news", console.log);
  }, [user]);
  return <p />;
}

export function RemovedMoreSeldom({ room }) {
  useEffect(() => {
    late.on("seldom", () => console.log(room)); // expect: listener-without-cleanup
  }, [room]);
  useEffect(() => () => late.off("seldom"), []);
  return <p />;
}

export function SetUpAgain({ isSocketConnected }) {
  useEffect(() => {
    late = io("https://example.org");
    return () => late.disconnect();
  }, []);
  useEffect(() => {
    late.on("news", console.log); // expect: listener-without-cleanup
  }, [isSocketConnected]);
  return <p />;
}

export function LeavesEarly({ user, go }) {
  useEffect(() => {
    if (!user) {
      return go("/login");
    }
    socket.on("news", console.log); // expect: listener-without-cleanup
  }, [user]);
  return <p />;
}

export function Shared() {
  useEffect(() => {
    const shared = connectSocket();
    shared.on("news", console.log); // expect: listener-without-cleanup
    if (!shared.connected) {
      shared.on("connect", console.log); // expect: listener-without-cleanup
    }
  }, []);
  return <p />;
}

export function MadeOnce({ room }) {
  const client = useRef(null);
  useEffect(() => {
    if (client.current === null) {
      client.current = io("https://example.org");
    }
    client.current.on(room, console.log); // expect: listener-without-cleanup
  }, [room]);
  return <p />;
}

export function OthersRemoved({ note }) {
  const onDisconnect = () => note();
  useEffect(() => {
    socket.on(Events.JOINED, console.log);
    socket.on(Events.LEFT, console.log); // expect: listener-without-cleanup
    socket.on("connect", () => console.log("connected")); // expect: listener-without-cleanup
    return () => {
      socket.off(Events.JOINED);
      socket.off("connect", onDisconnect());
    };
  }, []);
  return <p />;
}

export function Promised() {
  // React is given a promise, not the function that it holds.
  useEffect(async () => {
    socket.on("news", console.log); // expect: listener-without-cleanup
    return () => socket.off("news", console.log);
  }, []);
  return <p />;
}

export function Mistyped() {
  useEffect(() => {
    socket.on("score", console.log); // expect: listener-without-cleanup
    return () => {
      socket.on("score", console.log); // expect: listener-without-cleanup
    };
  }, []);
  return <p />;
}

export function Chained() {
  useEffect(() => {
    io.connect("/chained").on("news", console.log); // expect: client-in-handler
    io("/plain").on("news", console.log).on("more", console.log); // expect: client-in-handler
  }, []);
  return <p />;
}

export function OncePerMount({ room }) {
  // Each component has flags of its own, which say nothing of the one before.
  const [listening, setListening] = useState(false);
  const ran = useRef(false);
  useEffect(() => {
    if (listening) return;
    socket.on("news", console.log); // expect: listener-without-cleanup
    setListening(true);
  }, [room, listening]);
  useEffect(() => {
    if (ran.current) return;
    ran.current = true;
    socket.on("mail", console.log); // expect: listener-without-cleanup
  }, [room]);
  return <p />;
}

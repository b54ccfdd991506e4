import React, { useCallback, useEffect, useMemo, useRef, useState } from "react";
import io from "socket.io-client";
import { connectSocket, Events, socket } from "./socket";
import { bus, store } from "./store";

export function Cleaned() {
  useEffect(() => {
    const show = (text) => console.log(text);
    socket.on("news", show);
    socket.on("more", show);
    return () => {
      socket.off("news", show).off("more", show);
    };
  }, []);
  return <p />;
}

export function CleanedByName() {
  const events = useMemo(() => ({ news: console.log }), []);
  const listen = useCallback(() => {
    Object.entries(events).forEach(([name, show]) => socket.on(name, show));
  }, [events]);
  const unlisten = useCallback(() => {
    Object.entries(events).forEach(([name, show]) => socket.removeListener(name, show));
  }, [events]);
  useEffect(() => {
    listen();
    return unlisten;
  }, [listen, unlisten]);
  return <p />;
}

export function InAnotherEffect() {
  useEffect(() => {
    socket.on("news", console.log);
  }, []);
  useEffect(() => () => socket.off("news", console.log), []);
  return <p />;
}

export function Own() {
  const [client, setClient] = useState(null);
  useEffect(() => {
    const made = io("https://example.org");
    made.on("news", console.log);
    setClient(made);
    return () => made.disconnect();
  }, []);
  return <p>{client?.id}</p>;
}

export function Lazy() {
  const [client] = useState(() => io("https://example.org"));
  const memo = useMemo(() => io("https://example.org"), []);
  useEffect(() => {
    memo.connect();
    return () => {
      client.close();
      memo.close();
    };
  }, [client, memo]);
  const ref = useRef(null);
  if (!ref.current) {
    ref.current = io("https://example.org");
  }
  const join = () => {
    ref.current = io("https://example.org/join");
  };
  return <button onClick={join}>{client.id ?? memo.id}</button>;
}

export function OffFirst() {
  useEffect(() => {
    socket.off("news").on("news", console.log);
    socket.once("hello", console.log);
  });
  return <p />;
}

export function OtherSubscriptions() {
  useEffect(() => {
    const unsubscribe = store.socket.on("news", console.log);
    return () => unsubscribe();
  }, []);
  useEffect(() => {
    bus.on("news", console.log);
  }, []);
  useEffect(() => store.subscribe(console.log), []);
  return <p />;
}

export class Old extends React.Component {
  componentDidMount() {
    socket.on("news", this.show);
  }

  componentWillUnmount() {
    socket.off("news", this.show);
  }

  show = (text) => this.setState({ text });

  render() {
    return <p />;
  }
}

export function Replaced({ old, keep }) {
  useEffect(() => {
    if (old) old.socket.close();
    keep(io("https://example.org"));
  }, []);
  return <p />;
}

export function ClosedByAnother({ client, setText }) {
  useEffect(() => {
    client.socket.on("news", setText);
  }, [client.socket, setText]);
  useEffect(() => () => client.socket.disconnect(), [client.socket]);
  return <p />;
}

export function OtherIo({ context, user }) {
  const io = React.useContext(context);
  useEffect(() => {
    io.connect(user.id);
  }, [io, user]);
  return <p />;
}

export function Opened() {
  useEffect(() => {
    socket.connect();
  }, []);
  return <p />;
}

export function Emptied() {
  useEffect(() => {
    if (socket._callbacks?.$news) socket._callbacks.$news.length = 0;
    socket.on("news", console.log);
  }, []);
  return <p />;
}

export function Counted() {
  useEffect(() => {
    const { _callbacks } = socket;
    if (!_callbacks["$news"]) {
      socket.on("news", console.log);
    }
  }, []);
  return <p />;
}

export function Subscribed({ subscribe }) {
  useEffect(() => {
    socket.on("news", console.log);
    return subscribe();
  }, [subscribe]);
  return <p />;
}

export function SharedAndLeft() {
  useEffect(() => {
    const shared = connectSocket();
    shared.on("news", console.log);
    return () => shared.disconnect();
  }, []);
  return <p />;
}

export function EitherWay({ here }) {
  useEffect(() => {
    let client;
    if (here) client = io("https://example.org/here");
    else client = io("https://example.org/there");
    client.on("news", console.log);
    return () => client.close();
  }, [here]);
  return <p />;
}

export function Constants() {
  useEffect(() => {
    socket.on("room-joined", console.log);
    socket.on(Events.LEFT, console.log);
    return () => {
      socket.off(Events.ROOM_JOINED);
      [Events.LEFT].forEach((event) => socket.off(event));
    };
  }, []);
  return <p />;
}

export function OffFirstInRender() {
  socket.off("news").on("news", console.log);
  return <p />;
}

let listening = false;
export function OnlyOnce({ room }) {
  useEffect(() => {
    if (listening) return;
    socket.on("news", console.log);
    listening = true;
  }, [room]);
  return <p />;
}

// Outbox and follower for components of React. `open` makes one, with an IndexedDBStore or
// IndexedDBOffsets; the socket, and a store in memory, are made outside, so that the next one goes
// on with them: StrictMode runs every effect twice, and a hot reload runs it again.

import { useCallback, useEffect, useRef, useState } from "react";

/** Return `send`, which returns a receipt, and how many messages are pending. */
export function useOutbox(open) {
  const outbox = useRef(null);
  const [pending, setPending] = useState(0);
  useEffect(() => {
    outbox.current ??= open(); // it sends what an earlier page has left
    const timer = setInterval(() => setPending(outbox.current.pending), 200);
    return () => {
      clearInterval(timer);
      outbox.current.close();
      outbox.current = null;
    };
  }, []);
  const send = useCallback((event, payload) => {
    const one = (outbox.current ??= open());
    const receipt = one.send(event, payload);
    const show = () => one === outbox.current && setPending(one.pending);
    show();
    receipt.then(show, show);
    return receipt;
  }, []);
  return { send, pending };
}

/** Follow a topic; return whether all that it had is read, and the error that ended it. */
export function useFollower(open, topic) {
  const [state, setState] = useState({ caughtUp: false, error: null });
  useEffect(() => {
    let gone = false;
    const follower = open();
    const show = (caughtUp, error) => gone || setState({ caughtUp, error });
    show(false, null);
    follower.follow(topic).then(() => show(true, null), (error) => show(false, error));
    return () => {
      gone = true;
      follower.close();
    };
  }, [topic]);
  return state;
}

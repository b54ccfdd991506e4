// Outbox and follower for components of Vue. `open` makes one, with an IndexedDBStore or
// IndexedDBOffsets, that lives as long as the component; the socket, and a store in memory, are
// made outside, so that the next one goes on with them: a hot reload makes the component again.

import { onScopeDispose, reactive, ref, toValue, watch } from "vue";

/** Return `send`, which returns a receipt, and how many messages are pending. */
export function useOutbox(open) {
  const outbox = open();
  const pending = ref(0);
  const show = () => { pending.value = outbox.pending; };
  const timer = setInterval(show, 200); // it also sends what an earlier page has left
  onScopeDispose(() => { clearInterval(timer); outbox.close(); });
  const send = (event, payload) => {
    const receipt = outbox.send(event, payload);
    show();
    receipt.then(show, show);
    return receipt;
  };
  return { send, pending };
}

/** Follow a topic; return whether all that it had is read, and the error that ended it. */
export function useFollower(open, topic) {
  const state = reactive({ caughtUp: false, error: null });
  watch(() => toValue(topic), (name, _, onCleanup) => {
    let gone = false;
    const follower = open();
    const show = (caughtUp, error) => gone || Object.assign(state, { caughtUp, error });
    show(false, null);
    follower.follow(name).then(() => show(true, null), (error) => show(false, error));
    onCleanup(() => {
      gone = true;
      follower.close();
    });
  }, { immediate: true });
  return state;
}

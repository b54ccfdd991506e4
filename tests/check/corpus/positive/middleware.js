// A middleware of Redux runs for each action.
import { socket } from "./socket";

export const live = (store) => (next) => (action) => {
  if (action.type === "join") {
    socket.emit("join", action.room);
    socket.on("talk", (text) => store.dispatch({ type: "talk", text })); // expect: listener-in-handler
  }
  return next(action);
};

export const typed = (store) => {
  return (next) => async (action) => {
    socket.on("typed", (text) => store.dispatch({ type: "typed", text })); // expect: listener-in-handler
    return next(action);
  };
};

// What a middleware adds for the store, to a client of its own, or removes again.
import { io } from "socket.io-client";
import { socket } from "./socket";

export const live = (store) => {
  socket.on("talk", (text) => store.dispatch({ type: "talk", text }));
  return (next) => (action) => {
    if (action.type === "say") socket.emit("say", action.text);
    return next(action);
  };
};

export const lounge = (store) => (next) => (action) => {
  if (action.type === "enter") {
    store.lounge = io("/lounge");
    store.lounge.on("guest", (name) => store.dispatch({ type: "guest", name }));
    socket.on("news", console.log);
  }
  if (action.type === "leave") socket.off("news");
  return next(action);
};

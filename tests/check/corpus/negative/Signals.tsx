import { createEffect, createSignal, onCleanup } from "solid-js";
import { useVisibleTask$ } from "@builder.io/qwik";
import { socket } from "./socket";

export function Scores() {
  const [score, setScore] = createSignal(0);
  createEffect(() => {
    const add = () => setScore(score() + 1);
    socket.on("goal", add);
    onCleanup(() => socket.off("goal", add));
  });
  return <b>{score()}</b>;
}

export const Whistle = () => {
  useVisibleTask$(({ cleanup }) => {
    socket.on("whistle", blow);
    cleanup(() => socket.off("whistle", blow));
  });
  return <i />;
};

export function Half() {
  const [half, setHalf] = createSignal(1);
  socket.on("half", setHalf); // a component of Solid runs once
  onCleanup(() => socket.off("half", setHalf));
  return <b>{half()}</b>;
}

class Bench extends HTMLElement {
  connectedCallback() {
    socket.on("substitute", this.add);
  }
  disconnectedCallback() {
    socket.off("substitute", this.add);
  }
  add = (player: string) => this.append(player);
}
customElements.define("sub-bench", Bench);

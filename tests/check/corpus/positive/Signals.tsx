// Effects of Solid and Qwik.
import { createEffect, createSignal } from "solid-js";
import { useVisibleTask$ } from "@builder.io/qwik";
import { socket } from "./socket";

export function Scores() {
  const [score, setScore] = createSignal(0);
  createEffect(() => {
    socket.on("goal", () => setScore(score() + 1)); // expect: listener-without-cleanup
  });
  return <b>{score()}</b>;
}

export const Whistle = () => {
  useVisibleTask$(() => {
    socket.on("whistle", blow); // expect: listener-without-cleanup
  });
  return <i />;
};

class Bench extends HTMLElement {
  connectedCallback() {
    socket.on("substitute", (player) => this.append(player)); // expect: listener-without-cleanup
  }
}
customElements.define("sub-bench", Bench);

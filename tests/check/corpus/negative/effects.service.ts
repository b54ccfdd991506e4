// An effect of NgRx is made once, unlike one of Solid.
import { createEffect } from "@ngrx/effects";
import { socket } from "./socket";

export class Scores {
  goal$ = createEffect(() => {
    socket.on("goal", (goal) => this.store.dispatch(goal));
    return this.goals;
  });
}

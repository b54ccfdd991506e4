// What Angular runs when a component, or one run of an effect, ends.
import { Component, DestroyRef, effect, inject, input } from "@angular/core";
import { Socket } from "ngx-socket-io";

@Component({ selector: "app-sensor", template: "" })
export class SensorComponent {
  place = input.required<string>();
  private readonly wire = inject(Socket);
  private readonly last = inject(DestroyRef);

  constructor() {
    const heat = () => this.draw();
    this.wire.on("heat", heat);
    this.last.onDestroy(() => this.wire.off("heat", heat));
    effect((onCleanup) => {
      const damp = () => this.draw();
      this.wire.on(`damp:${this.place()}`, damp);
      onCleanup(() => this.wire.off(`damp:${this.place()}`, damp));
    });
  }
  private draw() {}
}

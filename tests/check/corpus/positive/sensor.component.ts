import { Component } from "@angular/core";
import { Socket } from "ngx-socket-io";

@Component({ selector: "app-sensor", template: "" })
export class SensorComponent {
  constructor(private readonly wire: Socket) {}

  ngOnInit() {
    this.wire.fromEvent("heat").subscribe(() => this.draw()); // expect: listener-without-cleanup
  }
  private draw() {}
}

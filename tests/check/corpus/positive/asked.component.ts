// Methods that only the template of a component calls, or the page.
import { Component, HostListener, OnInit } from "@angular/core";
import { Socket } from "ngx-socket-io";

@Component({ selector: "app-asked", templateUrl: "./asked.component.html" })
export class AskedComponent implements OnInit {
  constructor(private socket: Socket) {}

  ngOnInit() {
    this.greet();
  }

  greet() {
    this.socket.emit("greet");
  }

  ask(id: number) {
    this.socket.emit("ask", id);
    this.socket.on("hint", (text: string) => console.log(text)); // expect: listener-in-handler
  }

  uploadAll() {
    this.socket.on("stored", (file: string) => console.log(file)); // expect: listener-in-handler
  }

  @HostListener("window:keyup")
  press() {
    this.socket.on("pressed", (key: string) => console.log(key)); // expect: listener-in-handler
  }

  look() {
    this.socket.once("seen", (text: string) => console.log(text));
  }
}

// A scene of Phaser that takes back what it added, before the next one starts.
import Phaser from "phaser";
import { io } from "socket.io-client";
import { socket } from "./socket";

export class Harbour extends Phaser.Scene {
  create() {
    socket.on("ship", this.moor);
    this.line = io("/harbour");
    this.events.once("shutdown", () => this.line.disconnect());
  }

  leave() {
    socket.off("ship", this.moor);
    this.scene.start("menu");
  }
}

// A scene of Phaser that is left and comes again makes all of it once more.
import Phaser from "phaser";
import { io } from "socket.io-client";
import { socket } from "./socket";

export class Harbour extends Phaser.Scene {
  create() {
    this.line = io("/harbour"); // expect: client-in-handler
    socket.on("ship", this.moor); // expect: listener-without-cleanup
    this.input.on("pointerdown", () => this.scene.start("menu"));
  }
}

export const sea = {
  preload() {
    socket.on("wave", show); // expect: listener-without-cleanup
  },
  update() {
    if (this.sunk) this.state.start("menu");
  },
};

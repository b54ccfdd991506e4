// The only scene of a game is made once.
import Phaser from "phaser";
import { socket } from "./socket";

export class Harbour extends Phaser.Scene {
  create() {
    socket.on("ship", this.moor);
  }
}

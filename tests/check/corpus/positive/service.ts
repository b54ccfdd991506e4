import { Manager, Socket, io } from "socket.io-client";

export class News {
  private socket!: Socket;
  private timer?: number;

  open(url: string): void {
    this.socket = io(url);
    this.socket.on("connect", () => this.ready());
    this.socket.on("disconnect", this.lost.bind(this));
  }

  private ready(): void {
    this.socket.on("news", this.show); // expect: listener-in-connect
    window.setInterval(() => this.socket.emit("alive"), 1000); // expect: timer-in-connect
  }

  private lost(): void {
    this.socket!.on("recovered", this.show); // expect: listener-in-connect
  }

  private show = (text: string): void => console.log(text);
}

export class Typed {
  constructor(private readonly socket: Socket) {
    this.socket.on("connect", () => {
      const self = this;
      self.socket.on("typed", console.log); // expect: listener-in-connect
    });
  }
}

const manager = new Manager("https://example.org");
const admin = manager.socket("/admin");
manager.on("reconnect", () => {
  admin.on("users", console.log); // expect: listener-in-connect
});

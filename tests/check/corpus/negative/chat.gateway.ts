// What belongs to the connection goes with it.
import { WebSocketGateway, OnGatewayInit } from "@nestjs/websockets";
import { Server, Socket } from "socket.io";

@WebSocketGateway()
export class ChatGateway implements OnGatewayInit {
  afterInit(server: Server) {
    this.events.on("order", (order) => server.to("orders").emit("order", order));
  }

  handleConnection(client: Socket) {
    client.on("message", (text) => this.log(text));
    this.listeners.set(client.id, () => client.emit("beat"));
    this.beat = setInterval(() => client.emit("tick"), 1000);
  }

  handleDisconnect(client: Socket) {
    clearInterval(this.beat);
  }
}

// NestJS runs `handleConnection` for every connection.
import { WebSocketGateway, WebSocketServer, OnGatewayConnection } from "@nestjs/websockets";
import { EventEmitter2 } from "@nestjs/event-emitter";
import { Server, Socket } from "socket.io";

@WebSocketGateway()
export class ChatGateway implements OnGatewayConnection {
  @WebSocketServer() server: Server;

  constructor(private events: EventEmitter2) {}

  handleConnection(client: Socket) {
    this.events.on("order", (order) => client.emit("order", order)); // expect: shared-emitter-in-connection
    setInterval(() => client.emit("tick"), 1000); // expect: timer-in-connect
  }
}

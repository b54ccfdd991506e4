import { OnGatewayConnection, SubscribeMessage, WebSocketGateway, WebSocketServer } from "@nestjs/websockets";
import { Server, Socket } from "socket.io";

@WebSocketGateway()
export class Gateway implements OnGatewayConnection {
  @WebSocketServer() server!: Server;

  handleConnection(client: Socket): void {
    client.on("typing", () => client.broadcast.emit("typing"));
  }

  @SubscribeMessage("chat")
  chat(client: Socket, text: string): void {
    this.server.emit("chat", text);
  }
}

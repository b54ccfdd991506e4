// Methods that NestJS runs for each message.
import { ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway } from "@nestjs/websockets";
import { Socket } from "socket.io";

@WebSocketGateway()
export class HallGateway {
  @SubscribeMessage("enter")
  async enter(@MessageBody() hall: string, @ConnectedSocket() client: Socket) {
    await client.join(hall);
    client.on("line", (text) => client.to(hall).emit("line", text)); // expect: listener-in-handler
  }

  @SubscribeMessage("leave")
  leave(@ConnectedSocket() client: Socket) {
    client.once("left", () => client.emit("goodbye"));
  }
}

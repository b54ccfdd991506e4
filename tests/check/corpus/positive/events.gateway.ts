// `handleDisconnect` takes back something else.
import { WebSocketGateway } from "@nestjs/websockets";
import { Socket } from "socket.io";

@WebSocketGateway()
export class EventsGateway {
  handleConnection(client: Socket) {
    this.emitter.on("order", (order) => client.emit("order", order)); // expect: shared-emitter-in-connection
  }

  handleDisconnect(client: Socket) {
    this.emitter.off("payment", this.listeners.get(client.id)!);
  }
}

// What `handleConnection` adds, `handleDisconnect` takes back.
import { WebSocketGateway } from "@nestjs/websockets";
import { Socket } from "socket.io";

@WebSocketGateway()
export class EventsGateway {
  handleConnection(client: Socket) {
    const tell = (order: string) => client.emit("order", order);
    this.listeners.set(client.id, tell);
    this.emitter.on("order", tell);
  }

  handleDisconnect(client: Socket) {
    this.emitter.off("order", this.listeners.get(client.id)!);
  }
}

// Messages of NestJS are handlers too, also where the library itself is not imported.
import { MessageBody, SubscribeMessage, WebSocketGateway } from "@nestjs/websockets";
import { Ledger } from "./ledger";

@WebSocketGateway()
export class TillGateway {
  private booked = { done: new Set<string>() };
  constructor(private ledger: Ledger) {}

  @SubscribeMessage("book")
  async book(@MessageBody() entry: { entryId: string }) {
    if (this.booked.done.has(entry.entryId)) return; // expect: check-then-await
    await this.ledger.write(entry);
    this.booked.done.add(entry.entryId);
  }
}

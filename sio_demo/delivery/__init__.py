"""Effectively-once, ordered delivery over Socket.IO: client outbox, server inbox.

The server::

    inbox = Inbox(sio, SQLiteInboxStore("inbox.db", "CREATE TABLE IF NOT EXISTS paid (amount)"))

    @inbox.on("payment")
    def pay(db, payment):
        db.execute("INSERT INTO paid VALUES (?)", (payment["amount"],))
        return "thanks"

The client::

    outbox = Outbox(socketio.AsyncClient(), SQLiteOutboxStore("outbox.db"))
    await outbox.open("http://localhost:5000")
    receipt = outbox.send("payment", {"amount": 10})
    await receipt.accepted  # on disk: if this process dies, the next one sends it
    reply = await receipt  # applied, once

Every accepted message is applied once, in the order of sending, and its sender gets the reply
of that one run. This holds when connections and acknowledgements are lost and, with stores on
disk, when either process crashes and is started again.

Limits:

- Effects outside ``db`` may happen again after a crash.
- Messages of different outboxes have no order.
- An inbox that lost its store, or forgot a producer, refuses that producer's next message with
  a `SequenceError`.
- If the file of an outbox is copied, the copy opened first is refused with a `FencedError`.
- A producer id is not a password: authenticate in ``connect``.

The wire format, for clients in other languages, is in :mod:`sio_demo.delivery.message`.
"""

from ..errors import Retry
from .inbox import Inbox, InboxStatistics, Received
from .outbox import Outbox, OutboxStatistics
from .receipt import Receipt
from .sqlite import SQLiteInboxStore, SQLiteOutboxStore
from .stores import Letter, MemoryInboxStore, MemoryOutboxStore

__all__ = [
    "Inbox",
    "InboxStatistics",
    "Letter",
    "MemoryInboxStore",
    "MemoryOutboxStore",
    "Outbox",
    "OutboxStatistics",
    "Receipt",
    "Received",
    "Retry",
    "SQLiteInboxStore",
    "SQLiteOutboxStore",
]

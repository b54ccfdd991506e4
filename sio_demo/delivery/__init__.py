"""Effectively-once, ordered delivery over Socket.IO: outbox at the client, inbox at the server.

The server's half::

    inbox = Inbox(sio, SQLiteInboxStore("inbox.db", "CREATE TABLE IF NOT EXISTS paid (amount)"))

    @inbox.on("payment")
    def pay(db, payment):
        db.execute("INSERT INTO paid VALUES (?)", (payment["amount"],))
        return "thanks"

The client's half::

    outbox = Outbox(socketio.AsyncClient(), SQLiteOutboxStore("outbox.db"))
    await outbox.open("http://localhost:5000")
    receipt = outbox.send("payment", {"amount": 10})
    await receipt.accepted  # on the disk: it will be applied, even if this process dies
    reply = await receipt  # it has been applied, once

What it promises: a message that was accepted is applied once, in the order of sending, and its
sender gets the reply of that one time; through lost connections and lost acknowledgements,
and with the stores on disk through crashes of either process.

What it does not: effects outside ``db`` may happen again after a crash; messages of different
outboxes have no order; an inbox that lost its store, or forgot the producer, refuses what
comes next with a `SequenceError`; of two copies of an outbox's file, the one opened first is
refused with a `FencedError`. A producer id is no password: authenticate in ``connect``.

The message format, for clients in other languages, is in :mod:`sio_demo.delivery.message`.
"""

from .inbox import Inbox
from .outbox import Outbox
from .receipt import Receipt
from .sqlite import SQLiteInboxStore, SQLiteOutboxStore
from .stores import MemoryInboxStore, MemoryOutboxStore

__all__ = [
    "Inbox",
    "MemoryInboxStore",
    "MemoryOutboxStore",
    "Outbox",
    "Receipt",
    "SQLiteInboxStore",
    "SQLiteOutboxStore",
]

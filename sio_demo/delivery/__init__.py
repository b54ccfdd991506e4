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

With ``PostgresInboxStore(url)`` the database may be shared by several server processes, and the
handlers may be coroutine functions: ``await db.execute(...)``.

Every accepted message is applied once, in the order of sending, and its sender gets the reply
of that one run. This holds when connections and acknowledgements are lost and, with stores on
disk, when either process crashes and is started again. `Outbox.transaction` commits rows of the
client's together with messages.

In the other direction, `Feed` appends entries to topics on the server, in the same transactions,
and every `Follower`, a client that is away included, applies each entry once, in order::

    feed = Feed(sio, inbox.store)
    async with feed.transaction() as db:
        feed.append(db, "orders", "order", {"item": "soup"})

    follower = Follower(client, SQLiteInboxStore("client.db"))
    follower.on("order", lambda db, order: print(order))
    await follower.follow("orders")

Limits:

- Effects outside ``db`` may happen again after a crash, and so may what `Inbox.after_commit`
  calls: at least once, with the message's id.
- Messages of different outboxes have no order.
- A producer that the inbox does not know, and a store that was copied or restored from a backup,
  on either side, are refused for good, by name: `UnknownProducerError`, `RestoredError`,
  `ConflictError`, `FencedError`. `Outbox.unanswered` has what is left, `Outbox.reissue` goes on.
  What was answered after the backup of a server is lost with that server's disk.

Left out on purpose: synchronous servers, priorities, expiry, rate limits.

`OUTBOX_MJS` is the outbox for ``socket.io-client``. The wire format, for clients in other
languages, is in PROTOCOL.md.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Retry
from .feed import Feed
from .follower import Follower
from .inbox import Inbox, InboxStatistics
from .outbox import Outbox, OutboxStatistics
from .receipt import Receipt
from .sqlite_inbox import SQLiteInboxStore
from .sqlite_outbox import SQLiteOutboxStore
from .stores import Letter, MemoryInboxStore, MemoryOutboxStore, Received

_JS = Path(__file__).with_name("js")  # modules for the `import` of JavaScript
OUTBOX_MJS = (_JS / "outbox.mjs").as_uri()
FOLLOWER_MJS = (_JS / "follower.mjs").as_uri()

__all__ = [
    "FOLLOWER_MJS",
    "OUTBOX_MJS",
    "Feed",
    "Follower",
    "Inbox",
    "InboxStatistics",
    "Letter",
    "MemoryInboxStore",
    "MemoryOutboxStore",
    "Outbox",
    "OutboxStatistics",
    "PostgresInboxStore",
    "Receipt",
    "Received",
    "Retry",
    "SQLiteInboxStore",
    "SQLiteOutboxStore",
]

if TYPE_CHECKING:
    from .postgres_inbox import PostgresInboxStore
else:

    def __getattr__(name):
        if name != "PostgresInboxStore":  # psycopg is installed for it only
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from .postgres_inbox import PostgresInboxStore

        return PostgresInboxStore

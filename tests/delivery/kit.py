"""A server with an inbox, a link to it, and outboxes: what the tests of delivery share."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import socketio

from sio_demo.delivery import Inbox, Outbox, SQLiteInboxStore
from sio_demo.lab.link import Link
from sio_demo.lab.server import Server, serve

QUICK = {
    "ack_timeout": 0.4,
    "connect_timeout": 2.0,
    "retry_delay": 0.01,
    "retry_delay_max": 0.05,
}
SCHEMA = "CREATE TABLE IF NOT EXISTS effects (number INTEGER);"


@dataclass
class Bench:
    """Makes servers, inboxes and outboxes, and closes them."""

    server: Server | None = None
    inbox: Inbox | None = None
    link: Link | None = None
    applied: list[Any] = field(default_factory=list)  # payloads, as the handlers saw them
    outboxes: list[Outbox] = field(default_factory=list)

    async def start_server(self, store=None):
        """Serve an inbox that notes what it applies; a link to it is made the first time."""
        sio = socketio.AsyncServer(async_mode="aiohttp")
        self.inbox = Inbox(sio, store)
        self.inbox.on("note", self._note)
        self.inbox.on("refuse", self._refuse)
        if isinstance(store, SQLiteInboxStore):
            self.inbox.on("insert", self._insert)
        self.server = await serve(sio)
        if self.link is None:
            self.link = await Link.to(self.server)

    async def stop_server(self):
        await self.server.close()
        await self.inbox.close()

    async def outbox(self, store=None, *, client=None, url=None, **options):
        """Open an outbox through the link."""
        client = client or socketio.AsyncClient(handle_sigint=False)
        outbox = Outbox(client, store, **(QUICK | options))
        self.outboxes.append(outbox)
        await outbox.open(url or self.link.url, transports=["websocket"])
        return outbox

    async def close(self):
        for outbox in self.outboxes:
            await outbox.close()
        await self.link.close()
        await self.stop_server()

    def _note(self, _db, payload):
        self.applied.append(payload)
        return payload

    def _refuse(self, db, payload):
        if isinstance(db, dict):
            db["effect"] = payload
        raise ValueError(f"no account {payload}")

    def _insert(self, db, number):
        db.execute("INSERT INTO effects VALUES (?)", (number,))
        return number


async def until(condition):
    """Wait for something that nothing announces."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)

"""A server with an inbox, a link to it, and outboxes: what the tests of delivery share."""

import uuid
from contextlib import asynccontextmanager

import psycopg
import socketio

from sio_demo.delivery import Inbox, MemoryInboxStore, Outbox, SQLiteInboxStore
from sio_demo.delivery.message import HELLO
from sio_demo.lab.bench import Bench

QUICK = {
    "ack_timeout": 0.4,
    "connect_timeout": 2.0,
    "retry_delay": 0.01,
    "retry_delay_max": 0.05,
}
POSTGRES_TABLES = """
CREATE TABLE effects (number INTEGER);
CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER);
CREATE TABLE once (number INTEGER UNIQUE);
CREATE TABLE late (account INTEGER REFERENCES accounts DEFERRABLE INITIALLY DEFERRED);
"""
SCHEMA = "CREATE TABLE IF NOT EXISTS effects (number INTEGER);"


async def greet(client, producer=None, epoch=1, *, known=False, start="start"):
    """Say hello, as an outbox does; return the answer of the inbox, with the producer."""
    producer = producer or str(uuid.uuid4())
    hello = {"producer": producer, "known": known, "epoch": epoch, "start": start}
    return {"producer": producer, **await client.call(HELLO, hello, timeout=5)}


@asynccontextmanager
async def connected(url):
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        yield connection


class DeliveryBench(Bench):
    """Makes servers, inboxes and outboxes, and closes them."""

    def __init__(self):
        super().__init__()
        self.inbox = None
        self.applied = []  # payloads, as the handlers saw them
        self.outboxes = []

    async def start_server(self, store=None):
        """Serve an inbox that notes what it applies, in the place of one that was there."""
        sio = socketio.AsyncServer(async_mode="aiohttp")
        self.inbox = Inbox(sio, store)
        self.inbox.on("note", self._note)
        self.inbox.on("refuse", self._refuse)
        if isinstance(store, SQLiteInboxStore):
            self.inbox.on("insert", self._insert)
        await self.serve(sio)

    async def stop_server(self):
        await self.server.close()
        await self.inbox.close()

    @asynccontextmanager
    async def inbox_lost(self):
        """Put an empty inbox in the place of the one that was there; offline in the block."""
        async with self.link.refuse():
            await self.link.cut()
            await self.stop_server()
            await self.start_server(MemoryInboxStore())
            yield

    async def outbox(self, store=None, *, client=None, url=None, **options):
        """Open an outbox through the link."""
        client = client or socketio.AsyncClient(handle_sigint=False)
        outbox = Outbox(client, store, **(QUICK | options))
        self.outboxes.append(outbox)
        names = [options.get("namespace", "/")]
        await outbox.open(url or self.link.url, transports=["websocket"], namespaces=names)
        return outbox

    async def close(self):
        for outbox in self.outboxes:
            await outbox.close()
        await super().close()
        await self.inbox.close()

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

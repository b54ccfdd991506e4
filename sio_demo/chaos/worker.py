"""The program of a worker: an inbox and a feed in PostgreSQL, joined to the others by Valkey."""

import os
import socket
from multiprocessing.connection import Connection
from typing import Any

import psycopg
import socketio

from ..delivery import Feed, PostgresInboxStore, Received
from ..delivery.transactions import settled
from .broken import Parts
from .programs import INSERT, PROGRAMS, TOPIC, Server


class Worker(Server):
    """One of several: its inbox is in PostgreSQL, and a feed has all that was applied."""

    def __init__(self, order: dict[str, Any], connection: Connection) -> None:
        super().__init__(order, connection)
        self._feed = Feed(self._sio, self._inbox.store)
        self._inbox.after_commit("note", self._publish)

    def _new_server(self) -> socketio.AsyncServer:
        manager = socketio.AsyncRedisManager(self._order["valkey"])
        return socketio.AsyncServer(async_mode="aiohttp", client_manager=manager)

    def _new_store(self, parts: Parts) -> Any:
        return PostgresInboxStore(self._order["database"], connections=5)

    async def _note(self, db: Any, client: int, received: Received) -> str:  # type: ignore[override]
        cuts = self._failures and self._failing == "database cut"
        reply, error = self._draw_reply(client, received)
        row = client, received.id, reply
        await db.execute(INSERT.replace("?", "%s"), row)
        if cuts:
            with socket.socket(fileno=os.dup(db.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)
        await settled(self._feed.append(db, TOPIC, "applied", row))
        return self._finish(reply, error)

    async def _publish(self, _: Received) -> None:
        await self._feed.publish(TOPIC)

    def _error(self, words: str) -> BaseException | None:
        if self._failing == "database cut":
            return None
        error: type[BaseException] | None = getattr(psycopg.errors, self._failing, None)
        return error(words) if error else super()._error(words)


PROGRAMS["worker"] = lambda *arguments: Worker(*arguments).run()

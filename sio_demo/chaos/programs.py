"""The programs of a run: a server with an inbox, and a client with an outbox."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import traceback
from collections.abc import AsyncIterator
from multiprocessing.connection import Connection
from typing import Any, NoReturn

import socketio

from ..delivery import Outbox, Receipt
from ..lab.server import serve
from .broken import PARTS
from .stores import FailPoint, KillableOutboxStore

ACK_TIMEOUT = 0.25  # seconds; some black holes last longer, some do not
CONNECT_TIMEOUT = 0.5
RETRY_DELAY, RETRY_DELAY_MAX = 0.01, 0.05


async def heard(connection: Connection, fail_point: FailPoint) -> AsyncIterator[tuple[Any, ...]]:
    """Yield what the driver says besides "arm"; end the process when the driver is gone."""
    messages: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()

    def read() -> None:
        try:
            message = connection.recv()
        except (EOFError, OSError):
            os._exit(0)
        match message:
            case ("arm", point):
                fail_point.point = point
                connection.send(("armed",))
            case _:
                messages.put_nowait(message)

    asyncio.get_running_loop().add_reader(connection.fileno(), read)
    while True:
        yield await messages.get()


async def run_server(order: dict[str, Any], connection: Connection) -> None:
    """Serve an inbox until told to stop."""
    parts = PARTS[order["variant"]]
    fail_point = FailPoint()
    sio = socketio.AsyncServer(async_mode="aiohttp")
    inbox = parts.inbox(sio, parts.inbox_store(order["path"], fail_point))

    def note(db: Any, message: list[int]) -> str:
        reply = secrets.token_hex(8)  # tells this application from all others
        db.execute(
            "INSERT INTO applied (client, number, reply) VALUES (?, ?, ?)", (*message, reply)
        )
        fail_point.hit("handler has run")
        return reply

    inbox.on("note", note)
    sio.on("connect", lambda sid, environ, auth: auth == order["run"])  # ports are used again
    async with await serve(sio) as server:
        connection.send(("url", server.url))
        await anext(heard(connection, fail_point))  # "stop"
    await inbox.close()


class _Client:
    """Sends numbered messages, and says what becomes of each."""

    def __init__(self, order: dict[str, Any], connection: Connection) -> None:
        self._order = order
        self._say = connection.send
        self._fail_point = FailPoint()
        self._heard = heard(connection, self._fail_point)
        self._allowance = order["allowance"]
        self._accepted = order["accepted"]
        self._unanswered = 0
        self._news = asyncio.Event()
        self._outbox = Outbox(
            socketio.AsyncClient(handle_sigint=False),
            KillableOutboxStore(order["path"], self._fail_point),
            window=order["window"],
            ack_timeout=ACK_TIMEOUT,
            connect_timeout=CONNECT_TIMEOUT,
            retry_delay=RETRY_DELAY,
            retry_delay_max=RETRY_DELAY_MAX,
        )

    async def run(self) -> None:
        """Send until all is accepted and answered; then wait for the end."""
        url, auth = self._order["url"], self._order["run"]
        await self._outbox.open(url, auth=auth, transports=["websocket"])
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            for receipt in self._outbox.resumed:
                self._watch(tasks, receipt)
            number = self._order["first"]
            while self._accepted < self._order["messages"]:
                count = await self._may_send()
                await self._send(tasks, range(number, number + count))
                number += count
            while self._unanswered:
                await self._news.wait()
                self._news.clear()
            self._say(("done",))

    async def _listen(self) -> None:
        async for _, allowance in self._heard:
            self._allowance = allowance
            self._news.set()

    async def _may_send(self) -> int:
        """Wait until messages may be sent; return how many."""
        while True:
            room = self._order["unanswered"] - self._unanswered
            count = min(self._order["burst"], room, self._allowance - self._accepted)
            if count > 0:
                return int(count)
            self._news.clear()
            await self._news.wait()

    async def _send(self, tasks: asyncio.TaskGroup, numbers: range) -> None:
        """Send, and say what is accepted: one by one, in order."""
        receipts = []
        for number in numbers:
            self._say(("sent", number))
            receipts.append(self._outbox.send("note", [self._order["client"], number]))
            self._watch(tasks, receipts[-1])
        for number, receipt in zip(numbers, receipts, strict=True):
            await receipt.accepted
            self._say(("accepted", number))
            self._accepted += 1

    def _watch(self, tasks: asyncio.TaskGroup, receipt: Receipt) -> None:
        self._unanswered += 1
        tasks.create_task(self._say_answer(receipt))

    async def _say_answer(self, receipt: Receipt) -> None:
        reply = await receipt
        self._fail_point.hit("after reply")
        _, _, (_, number) = json.loads(receipt.text)
        self._say(("answered", number, reply))
        self._unanswered -= 1
        self._news.set()


async def run_client(order: dict[str, Any], connection: Connection) -> None:
    await _Client(order, connection).run()


PROGRAMS = {"server": run_server, "client": run_client}


def run_program(connection: Connection) -> NoReturn:
    """Be the process: run the program that the first message names, and end."""
    code = 1
    try:
        program, order = connection.recv()
        asyncio.run(PROGRAMS[program](order, connection))
        code = 0
    except BaseException:
        connection.send(("failed", traceback.format_exc()))
    finally:
        os._exit(code)

"""The programs of a run: a server with an inbox, and a client with an outbox."""

import asyncio
import os
import secrets
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, NoReturn

import aiohttp
import socketio

from ..delivery import Outbox, Receipt, Received, Retry
from ..errors import DeliveryError, HandlerError, NotSeenError, StoreError
from ..lab.server import serve
from ..lab.waiting import wait_until
from .schedule import TRANSPORTS, Schedule
from .stores import FailPoint, Parts

ACK_TIMEOUT = 0.25  # seconds; some black holes last longer, some do not
CONNECT_TIMEOUT = 0.5
RETRY_DELAY, RETRY_DELAY_MAX = 0.01, 0.05
NOTICED = 0.5  # seconds in which a server hears that a client is dead, if its line says so

ERRORS: dict[str, type[BaseException]] = {
    "raises": ValueError,
    "is cancelled": asyncio.CancelledError,
}
INSERT = "INSERT INTO applied (client, id, reply) VALUES (?, ?, ?)"

_clock = time.time


async def heard(connection: Connection, fail_point: FailPoint) -> AsyncIterator[tuple[Any, ...]]:
    """Yield what the driver says that is not for all; end the process when the driver is gone."""
    messages: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()

    def read() -> None:
        try:
            message = connection.recv()
        except (EOFError, OSError):
            os._exit(0)
        match message:
            case ("arm", point, *count):
                fail_point.arm(point, *count)
                connection.send(("armed",))
            case ("disk", trouble, count):
                fail_point.fail(trouble, count)
            case _:
                messages.put_nowait(message)

    asyncio.get_running_loop().add_reader(connection.fileno(), read)
    while True:
        yield await messages.get()


class Server:
    """Serves an inbox, and knows by itself which clients are connected."""

    def __init__(self, order: dict[str, Any], connection: Connection) -> None:
        parts: Parts = order["parts"]
        self._order = order
        self._connection = connection
        self._fail_point = FailPoint(order["path"])
        self._sio = self._new_server()
        self._inbox = parts.inbox(self._sio, self._new_store(parts))
        self._failing, self._failures = "", 0
        self._online: dict[str, int] = {}  # which client sends on a connection; 0: none yet
        self._sio.on("connect", self._connected)
        self._sio.on("disconnect", lambda sid, *_: self._online.pop(sid, None))

    def _new_server(self) -> socketio.AsyncServer:
        return socketio.AsyncServer(async_mode="aiohttp")

    def _new_store(self, parts: Parts) -> Any:
        return parts.inbox_store(self._order["path"], self._fail_point)

    async def run(self) -> None:
        if self._order.get("handler", True):
            self._inbox.on("note", self._note)
        async with await serve(self._sio) as server:
            self._connection.send(("url", server.url))
            async for message in heard(self._connection, self._fail_point):
                match message:
                    case ("forget", client):
                        await self._forget(client)
                    case ("handler",):
                        self._inbox.on("note", self._note)
                    case ("fail", how, count):
                        self._failing, self._failures = how, count
                    case ("stop",):
                        break
        await self._inbox.close()

    def _note(self, db: Any, client: int, received: Received) -> str:
        """Handle a message: all payloads of a client are equal, its id tells it from others."""
        if received.sid in self._online:
            self._online = {sid: who for sid, who in self._online.items() if who != client}
            self._online[received.sid] = client
        reply, error = self._draw_reply(client, received)
        db.execute(INSERT, (client, received.id, reply))
        return self._finish(reply, error)

    def _draw_reply(self, client: int, received: Received) -> tuple[str, BaseException | None]:
        """Return what tells this application from all others, and what it is to end with."""
        reply = secrets.token_hex(8)
        if not self._failures:
            return reply, None
        self._failures -= 1
        error = self._error(reply)
        if type(error) in ERRORS.values():
            reply = f"{type(error).__name__}: {reply}"
            self._connection.send(("undone", client, received.id, reply))
        return reply, error

    def _finish(self, reply: str, error: BaseException | None) -> str:
        self._fail_point.hit("handler has run")
        if error is not None:
            raise error
        return reply

    def _error(self, words: str) -> BaseException | None:
        return ERRORS.get(self._failing, Retry)(words)

    def _connected(self, sid: str, _: Any, auth: Any) -> bool:
        self._online[sid] = 0
        return bool(auth == self._order["run"])  # ports are used again

    async def _forget(self, client: int) -> None:
        """Forget all producers that are not connected; wait for a client to leave, if it does."""
        with suppress(NotSeenError):
            await wait_until(lambda: client not in self._online.values(), NOTICED)
        before = self._online.copy()
        with suppress(StoreError):
            await self._inbox.forget(0)
        stayed = {client for sid, client in before.items() if client and sid in self._online}
        self._connection.send(("forgot", stayed))


class Client:
    """Sends messages, and says what becomes of each."""

    def __init__(self, order: dict[str, Any], connection: Connection) -> None:
        self._order = order
        self._say = connection.send
        self._fail_point = FailPoint(order["path"])
        self._heard = heard(connection, self._fail_point)
        self._schedule: Schedule = order["schedule"]
        self._allowance: int = order["allowance"]
        self._accepted: int = order["accepted"]
        self._unanswered = 0
        self._news = asyncio.Event()
        self._refusal: DeliveryError | None = None
        self._reissuing = asyncio.Lock()
        self._tasks = asyncio.TaskGroup()
        own = f"127.0.0.{1 + order['client']}", 0  # an address, by which a link knows it
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=own))
        self._client = socketio.AsyncClient(handle_sigint=False, http_session=self._http)
        self._outbox = Outbox(
            self._client,
            order["parts"].outbox_store(order["path"], self._fail_point),
            window=self._schedule.window,
            ack_timeout=ACK_TIMEOUT,
            connect_timeout=CONNECT_TIMEOUT,
            retry_delay=RETRY_DELAY,
            retry_delay_max=RETRY_DELAY_MAX,
        )
        self._say(("opened",))

    async def run(self) -> None:
        """Send until all is accepted and answered; then wait for the end."""
        url, auth = self._order["url"], self._order["run"]
        transports = TRANSPORTS[self._schedule.transport]
        async with self._http, self._tasks:
            self._tasks.create_task(self._listen())
            await self._outbox.open(url, auth=auth, transports=transports)
            self._watch(self._outbox.resumed)
            while self._accepted < self._schedule.messages:
                await self._send(await self._may_send())
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
            room = self._schedule.unanswered - self._unanswered
            count = min(self._schedule.burst, room, self._allowance - self._accepted)
            if count > 0:
                return count
            self._news.clear()
            await self._news.wait()

    async def _send(self, count: int) -> None:
        """Send, and say what is accepted: one by one, in order."""
        receipts: list[Receipt] = []
        try:
            for _ in range(count):
                receipts.append(self._outbox.send("note", self._order["client"]))
                self._say(("sent", receipts[-1].id))
                self._watch(receipts[-1:])
        except DeliveryError as error:
            await self._go_on_after(error)
        for receipt in receipts:
            try:
                await receipt.accepted
            except StoreError:
                self._say(("unsaved", receipt.id))
            else:
                self._say(("accepted", receipt.id))
                self._accepted += 1

    def _watch(self, receipts: list[Receipt]) -> None:
        self._unanswered += len(receipts)
        for receipt in receipts:
            self._tasks.create_task(self._say_answer(receipt))

    async def _say_answer(self, receipt: Receipt) -> None:
        try:
            try:
                reply = await receipt
            except HandlerError as error:
                reply = str(error)
        except DeliveryError as error:
            await self._go_on_after(error)
        else:
            self._fail_point.hit("after reply")
            self._say(("answered", receipt.id, reply))
        self._unanswered -= 1
        self._news.set()

    async def _go_on_after(self, refusal: DeliveryError) -> None:
        """Reissue what the inbox has refused for good, unless another task does."""
        async with self._reissuing:
            if isinstance(refusal, StoreError) or refusal is self._refusal:
                return
            self._refusal = refusal
            self._say(("refused", type(refusal).__name__))
            while True:
                with suppress(StoreError):
                    self._watch(await self._outbox.reissue())
                    break
            self._say(("reissued",))


PROGRAMS: dict[str, type[Server | Client]] = {"server": Server, "client": Client}


async def _run(program: str, order: dict[str, Any], connection: Connection) -> None:
    await PROGRAMS[program](order, connection).run()


def run_program(connection: Connection) -> NoReturn:
    """Be the process: run the program that the first message names, and end."""
    code = 1
    try:
        program, order = connection.recv()
        time.time = lambda: _clock() + order.get("clock", 0)
        asyncio.run(_run(program, order, connection))
        code = 0
    except BaseException:
        connection.send(("failed", traceback.format_exc()))
    finally:
        os._exit(code)

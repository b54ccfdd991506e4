"""The loop that every notebook shares: send a message, count the calls, cut, come back."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import socketio

from ..errors import NotSeenError, UsageError
from .faults import Cut, check_cut
from .link import Link
from .packet import TO_CLIENT
from .server import Server
from .waiting import called, patience, wait_until

Counter = Callable[[], int | Awaitable[int]]
Send = Callable[[int], Awaitable[None]]


async def reconnect(link: Link, how: Cut = "reset") -> str:
    """Cut the one client's connection and wait until it is back.

    It is back when the server's Socket.IO ``CONNECT`` has passed the link: what is sent from then
    on comes after it. `how` is as for :meth:`Link.cut`. Return the sid of the new session.

    UsageError says that no client is connected through this link; NotSeenError, that it did not
    come back by itself within 10 seconds.
    """
    check_cut(how)
    back = link.expect("CONNECT", TO_CLIENT)
    if await link.cut(how) == 0:
        back.cancel()
        raise UsageError("No client is connected through this link: connect a client to link.url.")
    sid: str = (await back).data["sid"]
    return sid


async def settled(server: Server, sid: str) -> None:
    """Wait until a client has handled all that the server sent to it so far.

    The server sends an event ``"sync"`` and waits for its acknowledgement, which comes after the
    rest. In JavaScript that needs ``socket.on("sync", (ack) => ack())``. python-socketio's client
    acknowledges by itself; a handler that awaits something has then been started, not finished.

    NotSeenError says that the client did not acknowledge within 10 seconds.
    """
    seconds = patience.get()
    answered = asyncio.Event()  # not sio.call(): that needs a server with async_handlers
    await server.sio.emit("sync", to=sid, callback=lambda *_: answered.set())
    try:
        await asyncio.wait_for(answered.wait(), seconds)
    except TimeoutError:
        raise NotSeenError(
            f'The client did not acknowledge "sync" within {seconds:g} s. A JavaScript client '
            'must listen to it: socket.on("sync", (ack) => ack());'
        ) from None


async def call_and_cut(
    link: Link, client: socketio.AsyncClient, event: str, *data: Any, at: str = "ACK"
) -> Any:
    """Call an event, reset the connection at a packet of the call, and wait for the reconnect.

    The packet `at` is lost with the connection: ``"ACK"``, the server's answer, or the name of the
    event, which the server then never sees. Return the answer, or None if none came in 0.1 seconds.
    NotSeenError: the packet did not pass, or the client did not come back, within 10 seconds.
    """
    answer = None
    async with link.cut_when(at) as cut:
        back = link.expect("CONNECT", TO_CLIENT)
        with suppress(socketio.exceptions.TimeoutError):
            answer = await client.call(event, data, timeout=0.1)
        await cut
    sid = (await back).data["sid"]
    await wait_until(lambda: client.get_sid() == sid)
    return answer


async def calls_across_reconnects(
    server: Server,
    link: Link,
    calls: Counter,
    *,
    reconnects: int = 5,
    messages: int = 1,
    send: Send | None = None,
) -> list[int]:
    """Send messages after 0, 1, … `reconnects` reconnects, and return the calls for each of them.

    The server has exactly one client, connected through `link`. `calls` returns how often its
    handler ran so far, as an int or an awaitable of one. Between two cuts come so many `messages`:
    `send` sends number n (from 1); if left out, the server emits ``"news"`` with n.

    UsageError says that an argument is of another kind, that `reconnects` or `messages` is too
    small, or that the server has not exactly one client.
    """
    if not callable(calls) or not (send is None or callable(send)):
        raise UsageError("calls and send are functions: `lambda: len(log)`, not their results.")
    if reconnects < 0 or messages < 1:
        raise UsageError("Cut the connection 0 times or more, and send 1 message or more.")
    if len(server.sids()) != 1:
        raise UsageError(f"Connect exactly one client first; {len(server.sids())} are here.")
    send = send or partial(server.sio.emit, "news")
    counts: list[int] = []
    [sid] = server.sids()
    for round_ in range(reconnects + 1):
        if round_ > 0:
            sid = await reconnect(link)
        await settled(server, sid)  # what the client's connect handler sent is handled as well
        for _ in range(messages):
            before = await called(calls())
            await send(len(counts) + 1)
            await settled(server, sid)
            counts.append(await called(calls()) - before)
    return counts

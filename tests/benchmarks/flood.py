"""A client that floods an inbox: ``python flood.py URL`` awaits no answer, and comes back."""

from __future__ import annotations

import asyncio
import sys
import uuid
from contextlib import suppress

import peer
import socketio
from socketio.exceptions import SocketIOError

from sio_demo.delivery.message import EVENT, HELLO, Batch, Hello, id_of, write_message

TEXTS = [write_message("order", peer.message(number)) for number in range(500)]


async def flood(url: str) -> None:
    """Send full batches until the server hangs up."""
    async with socketio.AsyncSimpleClient(handle_sigint=False, reconnection=False) as client:
        await client.connect(url, transports=["websocket"])
        hello = Hello(str(uuid.uuid4()), known=False, epoch=1, start="flood")
        await client.call(HELLO, hello.to_wire())
        first, after = 0, ""
        while client.connected:
            batch = Batch(hello.producer, 1, first, after, 0, TEXTS)
            await client.client.emit(EVENT, batch.to_wire())
            first, after = batch.end, id_of(TEXTS[-1])
            await asyncio.sleep(0)


async def main(url: str) -> None:
    """Flood again and again, until killed."""
    while True:
        with suppress(SocketIOError):
            await flood(url)
        await asyncio.sleep(0.2)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

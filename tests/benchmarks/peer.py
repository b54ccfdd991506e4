"""The client of the messages benchmark: sends many in a row, or counts those it gets.

Run as a program it is a process of its own: ``python peer.py URL``.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import socketio


def message(number: int) -> dict[str, Any]:
    """Make a small message."""
    return {"order": number, "item": "coffee", "price": 3.5}


async def connect(url: str) -> socketio.AsyncClient:
    """Connect a client that obeys ``send`` and tells, when asked, how many orders it has."""
    client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
    orders = 0

    async def send(count: int) -> None:
        for number in range(count):
            await client.emit("order", message(number))

    async def order(_: object) -> None:
        nonlocal orders
        orders += 1

    async def received() -> int:
        return orders

    for handler in (send, order, received):
        client.on(handler.__name__, handler)
    await client.connect(url, transports=["websocket"])
    return client


async def main(url: str) -> None:
    """Stay until the server closes the connection."""
    gone = asyncio.Event()
    client = await connect(url)
    client.on("disconnect", gone.set)
    await gone.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

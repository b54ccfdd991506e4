"""Exercises 4 and 5, clients in Python: what is in the notebook, and what a reader might try."""

from __future__ import annotations

import pytest
from exercises_kit import ExerciseTests, broken, solution

param = pytest.param


FLAG_NEVER_RESET = """
def thermometer(client, second):
    tasks = []

    async def report():
        while True:
            await second()
            await client.emit("temperature", 21.5)

    @client.event
    async def connect():
        if not tasks:
            tasks.append(client.start_background_task(report))

    @client.event
    async def disconnect(reason):
        tasks[0].cancel()
"""
ENDED_IN_DISCONNECT = FLAG_NEVER_RESET.replace("tasks[0].cancel()", "tasks.pop().cancel()")
REPLACED_IN_CONNECT = """
def thermometer(client, second):
    task = None

    async def report():
        while True:
            await second()
            if client.connected:
                await client.emit("temperature", 21.5)

    @client.event
    async def connect():
        nonlocal task
        if task:
            task.cancel()
        task = client.start_background_task(report)
"""
NEW_CLIENT = "await courier(new_client, url, show)"
CONNECTS_ITSELF = (NEW_CLIENT, 'await client.connect(url, transports=["websocket"])')
TRIES_UNTIL_IT_WORKS = """
async def courier(new_client, url, show):
    while True:
        try:
            client = new_client(reconnection=False)
            client.on("order", show)

            @client.event
            async def disconnect(reason):
                await courier(new_client, url, show)

            return await client.connect(url, transports=["websocket"])
        except socketio.exceptions.ConnectionError:
            await asyncio.sleep(0.005)
"""
SENT_LATER = """
def thermometer(client, second):
    kept = []

    async def report():
        while True:
            await second()
            kept.append(21.5)
            while kept and client.connected:
                await client.emit("temperature", kept.pop(0))

    client.start_background_task(report)
"""
SENT_BY_CONNECT = """
def thermometer(client, second):
    kept = []

    async def report():
        while True:
            await second()
            if client.connected:
                await client.emit("temperature", 21.5)
            else:
                kept.append(21.5)

    @client.event
    async def connect():
        while kept:
            await client.emit("temperature", kept.pop(0))

    client.start_background_task(report)
"""
WAITS_IN_A_LOOP = """
async def courier(new_client, url, show):
    client = new_client(reconnection=False)
    client.on("order", show)

    async def keep():
        while True:
            try:
                await client.connect(url, transports=["websocket"])
                await client.wait()
            except socketio.exceptions.ConnectionError:
                await asyncio.sleep(0.01)

    client.start_background_task(keep)
"""
TRIES_AGAIN = """
async def courier(new_client, url, show):
    client = new_client(reconnection=False)
    client.on("order", show)

    async def connect():
        while True:
            try:
                return await client.connect(url, transports=["websocket"])
            except socketio.exceptions.ConnectionError:
                await asyncio.sleep(SECONDS)

    @client.event
    async def disconnect(reason):
        client.start_background_task(connect)

    await connect()
"""
TRIES_ONCE_LATER = """
async def courier(new_client, url, show):
    client = new_client(reconnection=False)
    client.on("order", show)

    async def connect():
        await asyncio.sleep(0.5)
        await client.connect(url, transports=["websocket"])

    @client.event
    async def disconnect(reason):
        client.start_background_task(connect)

    await client.connect(url, transports=["websocket"])
"""
NEW_ONE_LATER = """
async def courier(new_client, url, show):
    client = new_client()
    client.on("order", show)

    @client.event
    async def disconnect(reason):
        await asyncio.sleep(0.5)
        await courier(new_client, url, show)

    await client.connect(url, transports=["websocket"])
"""
GIVES_UP = """
async def courier(new_client, url, show):
    client = new_client(reconnection_attempts=3)
    client.on("order", show)
    await client.connect(url, transports=["websocket"])
"""

WRONG = [
    param(4, SENT_LATER, "two reports, as if one was taken", id="4-sent-later"),
    param(4, SENT_BY_CONNECT, "also reports between the seconds", id="4-sent-by-connect"),
    param(
        4,
        solution(4, ("            if client", "            for _ in range(2 * client")).replace(
            "client.connected:", "client.connected):"
        ),
        "nothing has piled up",
        id="4-sends-twice",
    ),
    param(5, TRIES_ONCE_LATER, "tried once", id="5-once-later"),
    param(5, NEW_ONE_LATER, "the old one comes back as well", id="5-a-new-one-later"),
    param(5, GIVES_UP, "nobody has tried again", id="5-gives-up"),
    param(
        5,
        solution(5, ('on("order", show)', 'on("order", lambda order: show(None))')),
        "`show` was not given the order",
        id="5-no-order",
    ),
    param(
        4,
        broken(4, ("while True:", "while client.connected:")),
        "not yet true",
        id="4-while-connected",
    ),
    param(
        4,
        broken(
            4,
            (
                "if client.connected:",
                "if not client.connected:\n                break\n            else:",
            ),
        ),
        "often faster than that",
        id="4-break-without-a-connection",
    ),
    param(4, FLAG_NEVER_RESET, "the next connection needs one as well", id="4-flag"),
    param(
        4,
        solution(4, ("            if client.connected:\n    ", "")),
        "not a connected namespace.\n``` It reports until a second passes without a connection",
        id="4-emit-without-a-connection",
    ),
    param(
        4,
        broken(
            4,
            (
                "        while True:\n            await second()\n"
                "            if client.connected:\n    ",
                "    ",
            ),
        ),
        "No second has brought",
        id="4-once-per-connection",
    ),
    param(
        4,
        solution(
            4,
            (
                "if client.connected:",
                "if not client.connected:\n                return\n            else:",
            ),
        ),
        "then never again",
        id="4-return-without-a-connection",
    ),
    param(
        5, broken(5, ("new_client()", "new_client(reconnection=False)")), "tried once", id="5-once"
    ),
    param(
        5,
        broken(5, CONNECTS_ITSELF),
        "Who brings the connection back",
        id="5-connect-in-disconnect",
    ),
    param(
        5,
        broken(5, (NEW_CLIENT, f"await client.disconnect()\n        {NEW_CLIENT}")),
        "tried once",
        id="5-disconnect-the-old-one",
    ),
    param(5, solution(5, ('client.on("order", show)', "")), "No order is shown", id="5-deaf"),
    param(5, solution(5, ("await client", "client")), "never awaited", id="5-not-awaited"),
]

RIGHT = [
    param(4, ENDED_IN_DISCONNECT, id="4-ended-in-disconnect"),
    param(4, REPLACED_IN_CONNECT, id="4-replaced-in-connect"),
    param(5, TRIES_UNTIL_IT_WORKS, id="5-tries-until-it-works"),
    param(5, WAITS_IN_A_LOOP, id="5-waits-in-a-loop"),
    param(5, TRIES_AGAIN.replace("SECONDS", "0.01"), id="5-tries-again-at-once"),
    param(5, TRIES_AGAIN.replace("SECONDS", "0.5"), id="5-tries-again-after-half-a-second"),
    param(5, TRIES_AGAIN.replace("SECONDS", "1"), id="5-tries-again-after-a-second"),
]

HINTS = {4: "nothing ends the one before", 5: "the old one comes back as well"}


class TestClients(ExerciseTests):
    broken = HINTS
    wrong = WRONG
    right = RIGHT

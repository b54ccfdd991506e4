"""Loops that a handler waits for together with others."""

import asyncio
import itertools
import time

import socketio

sio = socketio.AsyncClient()


async def connected():
    await asyncio.gather(one(), two())  # expect: timer-in-connect


async def one():
    while True:
        await sio.emit("one")
        await asyncio.sleep(1)


async def two():
    await sio.emit("two")


sio.on("connect", connected)
plain = socketio.Client()


@plain.event
def connect():
    for number in itertools.count():  # expect: timer-in-connect
        plain.emit("number", number)
        time.sleep(1)

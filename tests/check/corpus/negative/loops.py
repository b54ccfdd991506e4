"""Loops that end, or that run elsewhere."""

import asyncio

import socketio

sio = socketio.AsyncClient()


@sio.event
async def connect():
    while True:
        if await sio.call("ready"):
            break
        await asyncio.sleep(1)
    await settle()
    sio.task = asyncio.create_task(settle())

    def later():
        while True:
            pass

    sio.later = later


async def settle():
    for attempt in range(3):
        await sio.emit("settle", attempt)


async def main():
    await sio.connect("http://localhost")
    while True:
        await sio.sleep(1)

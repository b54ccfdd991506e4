import asyncio

import socketio
from pyee.asyncio import AsyncIOEventEmitter

sio = socketio.AsyncServer(async_mode="aiohttp")
bus = AsyncIOEventEmitter()
seen = set()
names = {}


@sio.event
async def connect(sid, environ):
    @sio.on("say")  # expect: handler-in-server-connect
    async def say(_, text):
        print(names[sid], text)

    bus.on("news", tell)  # expect: shared-emitter-in-connection
    sio.start_background_task(clock)  # expect: timer-in-connect


async def tell(news):
    await sio.emit("news", news)


async def clock():
    while True:
        await sio.emit("time")
        await sio.sleep(1)


@sio.event
async def pay(sid, message):
    if message["id"] in seen:  # expect: check-then-await
        return "again"
    await asyncio.sleep(0.1)
    seen.add(message["id"])
    return "paid"

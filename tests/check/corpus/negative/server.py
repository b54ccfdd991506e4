import asyncio
from threading import Lock

import socketio
from pyee.asyncio import AsyncIOEventEmitter as Emitter

sio = socketio.AsyncServer(async_mode="aiohttp")
seen = set()
pages = {}
lock = asyncio.Lock()
gate = asyncio.Lock()
thread = None
thread_lock = Lock()


@sio.event
async def connect(sid, environ, auth):
    global thread
    await sio.enter_room(sid, "news")
    own = Emitter()
    own.on("news", print)
    with thread_lock:
        if thread is None:
            thread = sio.start_background_task(clock)
    sio.start_background_task(watch, sid)


async def clock():
    while True:
        await sio.sleep(1)


async def watch(sid):
    while True:
        await sio.sleep(1)
        if sid not in pages:
            break


@sio.event
async def pay(sid, message):
    if message["id"] in seen:
        return
    seen.add(message["id"])
    await asyncio.sleep(0.1)


@sio.event
async def page(sid, url):
    if url in pages:
        return pages[url]
    pages[url] = await sio.call("render", url, to=sid)
    return pages[url]


@sio.event
async def order(sid, message):
    async with lock:
        if message["id"] in seen:
            return
        await asyncio.sleep(0.1)
        seen.add(message["id"])


watchers = {}


class Watched(socketio.AsyncNamespace):
    async def on_connect(self, sid, environ):
        watchers[sid] = asyncio.create_task(clock())

    async def on_disconnect(self, sid, reason):
        watchers.pop(sid).cancel()


@sio.event
async def ordered(sid, msg):
    async with gate:
        if msg["id"] in seen:
            return
        await asyncio.sleep(0.1)
        seen.add(msg["id"])

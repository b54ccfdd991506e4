"""Asked with in, get() and exists(), also by a name."""

import socketio
from shop import redis, work

sio = socketio.AsyncServer()
done = {}


@sio.on("a")
async def a(sid, msg):
    if msg["id"] in done:  # expect: check-then-await
        return
    await work(msg)
    done[msg["id"]] = 1


@sio.on("b")
async def b(sid, msg):
    known = await redis.exists("msg:" + msg["id"])  # expect: check-then-await
    if known:
        return
    await work(msg)
    await redis.set("msg:" + msg["id"], 1)


@sio.on("c")
async def c(sid, msg):
    if done.get(msg["id"]) is not None:  # expect: check-then-await
        return done[msg["id"]]
    result = await work(msg)
    done[msg["id"]] = result

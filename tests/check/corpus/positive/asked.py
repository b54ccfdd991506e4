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


@sio.on("d")
async def d(sid, order):
    before = await redis.get(f"k:{order['id']}")  # expect: check-then-await
    if before:
        return
    await work(order)
    await redis.set(f"k:{order['id']}", 1)


@sio.on("e")
async def e(sid, order):
    price = await redis.get(f"price:{order['id']}")  # a cache: its value is used
    if not price:
        price = await work(order)
        await redis.set(f"price:{order['id']}", price)
    return price


@sio.on("c")
async def c(sid, msg):
    if done.get(msg["id"]) is not None:  # expect: check-then-await
        return done[msg["id"]]
    result = await work(msg)
    done[msg["id"]] = result

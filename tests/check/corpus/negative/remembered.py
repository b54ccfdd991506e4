"""Marked before the wait, in one step, or a cache."""

import socketio
from shop import charge, load, redis, send

sio = socketio.AsyncServer()
handled = {}


@sio.event
async def pay(sid, payment):
    if handled.get(payment["id"]):
        return
    handled[payment["id"]] = True
    await charge(payment)


@sio.event
async def ship(sid, order):
    if await redis.exists(f"processed:{order['id']}"):
        return
    if not await redis.set(f"processed:{order['id']}", 1, nx=True):
        return
    await send(order)


@sio.event
async def profile(sid, name):
    if await redis.get(f"profile:{name}"):
        return
    await redis.set(f"profile:{name}", await load(name))

"""An id is asked for and marked on two sides of a wait, whatever keeps it."""

import socketio
from shop import charge, redis, send

sio = socketio.AsyncServer()
handled = {}


@sio.event
async def pay(sid, payment):
    if handled.get(payment["id"]):  # expect: check-then-await
        return
    await charge(payment)
    handled[payment["id"]] = True


@sio.event
async def ship(sid, order):
    if await redis.exists(f"processed:{order['id']}"):  # expect: check-then-await
        return
    await send(order)
    await redis.set(f"processed:{order['id']}", 1)

# `not in` asks as well as `in`.
import socketio

from .ledger import keep

sio = socketio.AsyncServer()
seen, shown, handled = set(), [], {}


@sio.event
async def parcel(sid, data):
    if data["id"] not in seen:  # expect: check-then-await
        await keep(data)
        seen.add(data["id"])


@sio.event
async def letter(sid, data):
    if data["id"] in shown:  # expect: check-then-await
        return
    await keep(data)
    shown.append(data["id"])


@sio.event
async def card(sid, data):
    if data["id"] not in handled:  # expect: check-then-await
        kept = await keep(data)
        handled[data["id"]] = kept
    return handled[data["id"]]

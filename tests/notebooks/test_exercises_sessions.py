"""Exercises 6 and 7, sessions of a server: in the notebook, and what a reader might try."""

from __future__ import annotations

import pytest
from exercises_kit import ExerciseTests, broken, solution

param = pytest.param


BY_ADDRESS = """
def restaurant(sio):
    room_of = {}

    @sio.event
    async def join(sid, room):
        address = sio.get_environ(sid)["REMOTE_ADDR"]
        room_of[address] = room
        await sio.enter_room(sid, room)

    @sio.event
    async def connect(sid, environ):
        address = environ["REMOTE_ADDR"]
        if address in room_of:
            await sio.enter_room(sid, room_of[address])
"""
BY_SID = """
def restaurant(sio):
    room_of = {}

    @sio.event
    async def join(sid, room):
        room_of[sid] = room
        await sio.enter_room(sid, room)

    @sio.event
    async def connect(sid, environ, auth):
        if sid in room_of:
            await sio.enter_room(sid, room_of[sid])
"""
EVERY_ROOM = """
def restaurant(sio):
    @sio.event
    async def connect(sid, environ, auth):
        await sio.enter_room(sid, "kitchen")
        await sio.enter_room(sid, "bar")
"""
OLD_ONE_IS_KICKED = """
def taxis(sio, sid_of):
    @sio.event
    async def connect(sid, environ, auth):
        await sio.save_session(sid, auth)
        old = sid_of.pop(auth["driver"], None)
        if old:
            await sio.disconnect(old)
        sid_of[auth["driver"]] = sid

    @sio.event
    async def disconnect(sid, reason):
        for driver in [driver for driver in sid_of if sid_of[driver] == sid]:
            del sid_of[driver]
"""
ALL_SIDS_OF_A_DRIVER = """
def taxis(sio, sid_of):
    @sio.event
    async def connect(sid, environ, auth):
        await sio.save_session(sid, auth)
        sid_of.setdefault(auth["driver"], set()).add(sid)

    @sio.event
    async def disconnect(sid, reason):
        driver = (await sio.get_session(sid))["driver"]
        sid_of[driver].discard(sid)
        if not sid_of[driver]:
            del sid_of[driver]
"""
KICKED_TOO_LATE = """
def taxis(sio, sid_of):
    @sio.event
    async def connect(sid, environ, auth):
        await sio.save_session(sid, auth)
        old = sid_of.get(auth["driver"])
        sid_of[auth["driver"]] = sid
        if old:
            await sio.disconnect(old)

    @sio.event
    async def disconnect(sid, reason):
        session = await sio.get_session(sid)
        sid_of.pop(session["driver"], None)
"""
IN_A_CLASS = """
def taxis(sio, sid_of):
    class Taxis(socketio.AsyncNamespace):
        async def on_connect(self, sid, environ, auth):
            await self.save_session(sid, auth)
            sid_of[auth["driver"]] = sid

        async def on_disconnect(self, sid):
            driver = (await self.get_session(sid))["driver"]
            if sid_of.get(driver) == sid:
                del sid_of[driver]

    sio.register_namespace(Taxis("/"))
"""
KEPT_OUT = """
def taxis(sio, sid_of):
    @sio.event
    async def connect(sid, environ, auth):
        if auth["driver"] in sid_of:
            return False
        await sio.save_session(sid, auth)
        sid_of[auth["driver"]] = sid

    @sio.event
    async def disconnect(sid, reason):
        del sid_of[(await sio.get_session(sid))["driver"]]
"""
KEY_ERROR_IN_A_CLASS = """
def restaurant(sio):
    class Screens(socketio.AsyncNamespace):
        async def on_connect(self, sid, environ, auth):
            await self.enter_room(sid, auth["rooms"])

    sio.register_namespace(Screens("/"))
"""

WRONG = [
    param(
        6,
        KEY_ERROR_IN_A_CLASS,
        "in `connect`.\n\n```\nline 5:  \nKeyError: 'rooms'",
        id="6-key-in-a-class",
    ),
    param(7, KEPT_OUT, "Your server has refused a connection", id="7-kept-out"),
    param(7, KICKED_TOO_LATE, "is not on the list", id="7-kicked-too-late"),
    param(6, BY_SID, "brings a new sid", id="6-by-sid"),
    param(6, EVERY_ROOM, "the orders of the other one", id="6-every-room"),
    param(6, BY_ADDRESS, "TypeError", id="6-no-auth"),
    param(
        6,
        BY_ADDRESS.replace("connect(sid, environ)", "connect(sid, environ, auth)"),
        "the orders of the other one",
        id="6-by-address",
    ),
    param(6, solution(6, ("await sio", "sio")), "was never awaited", id="6-not-awaited"),
    param(6, solution(6, ('auth["room"]', 'auth["rooms"]')), "KeyError: 'rooms'", id="6-key"),
    param(
        7,
        broken(7, ('sid_of.pop(session["driver"], None)', "pass")),
        "stays on the",
        id="7-nothing",
    ),
    param(
        7,
        broken(
            7,
            (
                "        session =",
                '        if reason == "ping timeout":\n            return\n        session =',
            ),
        ),
        "Bob, whose phone has died",
        id="7-not-after-a-timeout",
    ),
    param(
        7,
        solution(7, ('sid_of[auth["driver"]] = sid', 'sid_of.setdefault(auth["driver"], sid)')),
        "The newest connection is the one that lives",
        id="7-the-old-one-stays",
    ),
    param(7, solution(7, ("== sid", "!= sid")), "KeyError", id="7-the-wrong-way-round"),
    param(
        7,
        solution(7, ('sid_of[auth["driver"]] = sid', "pass")),
        "Ann gets no ride at all",
        id="7-not-written",
    ),
]

RIGHT = [
    param(
        6,
        solution(6)
        .replace("sid, environ, auth", "sid, environ, who")
        .replace('auth["room"]', 'who.get("room")'),
        id="6-other-names",
    ),
    param(7, IN_A_CLASS, id="7-in-a-class"),
    param(7, OLD_ONE_IS_KICKED, id="7-kicked"),
    param(7, ALL_SIDS_OF_A_DRIVER, id="7-all-sids"),
]

HINTS = {6: "brings a new sid", 7: "Whose entry may a session delete?"}


class TestSessions(ExerciseTests):
    broken = HINTS
    wrong = WRONG
    right = RIGHT

"""Exercises 9 and 10, kills and races: in the notebook, and what a reader might try."""

from __future__ import annotations

import pytest
from exercises_kit import ExerciseTests, broken, solution

param = pytest.param


WALLET = """
def wallet(sio, db):
    @sio.event
    async def deposit(sid, message):
        if not db.execute("SELECT 1 FROM done WHERE id = :id", message).fetchone():
            with db:
                {first}
            with db:
                {second}
        return "booked"
"""
MARK = 'db.execute("INSERT INTO done VALUES (:id)", message)'
ACT = 'db.execute("UPDATE account SET coins = coins + :coins", message)'
LOADED_AT_START = """
def wallet(sio, db):
    seen = {id for (id,) in db.execute("SELECT id FROM done")}

    @sio.event
    async def deposit(sid, message):
        if message["id"] not in seen:
            seen.add(message["id"])
            with db:
                db.execute("UPDATE account SET coins = coins + :coins", message)
            with db:
                db.execute("INSERT INTO done VALUES (:id)", message)
        return "booked"
"""
BY_ERROR = """
def wallet(sio, db):
    db.isolation_level = None

    @sio.event
    async def deposit(sid, message):
        db.execute("BEGIN IMMEDIATE")
        try:
            db.execute("INSERT INTO done VALUES (:id)", message)
        except sqlite3.IntegrityError:
            db.execute("ROLLBACK")
            return "booked before"
        db.execute("UPDATE account SET coins = coins + :coins", message)
        db.execute("COMMIT")
        return "booked"
"""

CLAIMED = """
def hotel(sio, book):
    done = {}

    @sio.event
    async def reserve(sid, request):
        id = request["id"]
        if id not in done:
            done[id] = "it is being booked"
            try:
                done[id] = await book(request["room"])
            except ConnectionError:
                RELEASE
                return "sorry, please ask again"
        return done[id]
"""
ONE_LOCK = """
def hotel(sio, book):
    done = {}
    lock = asyncio.Lock()

    @sio.event
    async def reserve(sid, request):
        id = request["id"]
        async with lock:
            if id not in done:
                try:
                    done[id] = await book(request["room"])
                except ConnectionError:
                    return "sorry, please ask again"
        return done[id]
"""
A_LOCK_FOR_EACH = ONE_LOCK.replace("lock = asyncio.Lock()", "locks = {}").replace(
    "async with lock:", "async with locks.setdefault(id, asyncio.Lock()):"
)
RAISED = """
def hotel(sio, book):
    work = {}

    @sio.event
    async def reserve(sid, request):
        id = request["id"]
        if id not in work:
            work[id] = asyncio.ensure_future(book(request["room"]))
        try:
            return await asyncio.shield(work[id])
        except ConnectionError:
            work.pop(id, None)
            raise
"""
IN_A_CLASS = """
def hotel(sio, book):
    work = {}

    class Hotel(socketio.AsyncNamespace):
        async def on_reserve(self, sid, request):
            id = request["id"]
            if id not in work:
                work[id] = asyncio.create_task(book(request["room"]))
            try:
                return await work[id]
            except ConnectionError:
                work.pop(id, None)
                FAILED

    sio.register_namespace(Hotel("/"))
"""
CATCH_ALL = RAISED.replace("@sio.event", '@sio.on("*")').replace(
    "reserve(sid, request)", "any_event(event, sid, request)"
)

WRONG = [
    param(
        9,
        solution(9, ("coins = coins + :coins", "coins = coins + 1")),
        "A deposit of 2 has added 1",
        id="9-one-coin-for-each",
    ),
    param(9, WALLET.format(first=MARK, second=ACT), "the coins are lost", id="9-mark-then-act"),
    param(9, WALLET.format(first=ACT, second=MARK), "booked them again", id="9-act-then-mark"),
    param(
        9, solution(9, ("if new:", "if True:")), "act on what it finds there", id="9-not-looked-at"
    ),
    param(
        9,
        WALLET.format(first=ACT, second=MARK).replace("with db:", "if True:"),
        "Nothing is booked",
        id="9-not-committed",
    ),
    param(9, LOADED_AT_START, "booked them again", id="9-loaded-at-start"),
    param(
        9,
        solution(9, ('        return "booked"', '            return new and "booked" or None')),
        "a retry has got no answer",
        id="9-a-duplicate-is-not-answered",
    ),
    param(10, CLAIMED.replace("RELEASE", "del done[id]"), "not heard the", id="10-claimed"),
    param(10, CLAIMED.replace("RELEASE", "pass"), "Let go of it", id="10-claim-not-released"),
    param(
        10,
        solution(10, ("return await work[id]", "await work[id]")),
        "no guest has heard the confirmation",
        id="10-no-return",
    ),
    param(10, ONE_LOCK, "has to wait as well", id="10-one-lock"),
    param(
        10,
        solution(10, ("            work.pop(id, None)\n", "")),
        "Let go of it",
        id="10-failure-kept",
    ),
    param(
        10,
        broken(10, ("    done = {}", "    sio.async_handlers = False\n    done = {}")),
        "Between looking and writing",
        id="10-in-a-row",
    ),
    param(10, broken(10, ("if id not in done", "if True")), "the retry has booked", id="10-always"),
]

RIGHT = [
    param(9, BY_ERROR, id="9-by-the-error"),
    param(9, WALLET.format(first=f"{MARK}; {ACT}", second="pass"), id="9-looked-up"),
    param(10, A_LOCK_FOR_EACH, id="10-a-lock-for-each"),
    param(10, RAISED, id="10-raised"),
    param(10, CATCH_ALL, id="10-catch-all"),
    param(10, IN_A_CLASS.replace("FAILED", 'return "ask again"'), id="10-in-a-class"),
    param(10, IN_A_CLASS.replace("FAILED", "raise"), id="10-raised-in-a-class"),
]

HINTS = {9: "outlive the process", 10: "stands an `await`"}


class TestDelivery(ExerciseTests):
    broken = HINTS
    wrong = WRONG
    right = RIGHT

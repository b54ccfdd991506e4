"""Exercises 8 to 10, retries and ids: in the notebook, and what a reader might try."""

from __future__ import annotations

import pytest
from exercises_kit import ExerciseTests, broken, solution

param = pytest.param


BY_SID = """
def shop(sio, charge):
    receipts = {}

    @sio.event
    async def pay(sid, order):
        key = (sid, order["amount"])
        if key not in receipts:
            receipts[key] = charge(order["amount"])
        return receipts[key]
"""
COUNTED = """
numbers = itertools.count()

def shop(sio, charge):
    receipts = {}

    @sio.on("pay")
    async def pay(sid, number, amount):
        if number not in receipts:
            receipts[number] = charge(amount)
        return {"receipt": receipts[number]}

async def customer(call, amount):
    number = next(numbers)
    for attempt in range(3):
        try:
            answer = await call("pay", (number, amount))
        except TimeoutError:
            continue
        return answer["receipt"]
"""
CUSTOMER = broken(8).partition("async def customer")[2]

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

WRONG = [
    param(
        8,
        broken(8, ("            pass  ", "            return None")),
        "must try again",
        id="8-no-retry",
    ),
    param(
        8,
        solution(
            8,
            ('    order = {"id": str(uuid.uuid4()), "amount": amount}\n', ""),
            ('call("pay", order)', 'call("pay", {"id": str(uuid.uuid4()), "amount": amount})'),
        ),
        "the same at each attempt",
        id="8-an-id-for-each-attempt",
    ),
    param(
        8,
        solution(8).replace('order["id"]', 'order["amount"]'),
        "bought the same thing twice",
        id="8-by-amount",
    ),
    param(8, f"{BY_SID}\nasync def customer{CUSTOMER}", "on each connection", id="8-by-sid"),
    param(
        8,
        solution(8, ("        return receipts", "            return receipts")),
        "has no receipt",
        id="8-a-duplicate-is-not-answered",
    ),
    param(9, WALLET.format(first=MARK, second=ACT), "the coin is lost", id="9-mark-then-act"),
    param(9, WALLET.format(first=ACT, second=MARK), "booked it again", id="9-act-then-mark"),
    param(
        9, solution(9, ("if new:", "if True:")), "act on what it finds there", id="9-not-looked-at"
    ),
    param(
        9,
        WALLET.format(first=ACT, second=MARK).replace("with db:", "if True:"),
        "Nothing is booked",
        id="9-not-committed",
    ),
    param(9, LOADED_AT_START, "booked it again", id="9-loaded-at-start"),
    param(
        9,
        solution(9, ('        return "booked"', '            return new and "booked" or None')),
        "a retry has got no answer",
        id="9-a-duplicate-is-not-answered",
    ),
    param(10, CLAIMED.replace("RELEASE", "del done[id]"), "not heard the", id="10-claimed"),
    param(10, CLAIMED.replace("RELEASE", "pass"), "Let go of it", id="10-claim-not-released"),
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
    param(8, f"import itertools\n{COUNTED}", id="8-counted"),
    param(9, BY_ERROR, id="9-by-the-error"),
    param(9, WALLET.format(first=f"{MARK}; {ACT}", second="pass"), id="9-looked-up"),
    param(10, A_LOCK_FOR_EACH, id="10-a-lock-for-each"),
    param(10, RAISED, id="10-raised"),
]

HINTS = {8: "know the message again", 9: "outlive the process", 10: "stands an `await`"}


class TestDelivery(ExerciseTests):
    broken = HINTS
    wrong = WRONG
    right = RIGHT

"""Exercise 8, the shop: what is in the notebook, and what a reader might try."""

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
LOOKS_FIRST = """
def shop(sio, charge):
    @sio.event
    async def hello(sid):
        return "here"

    @sio.event
    async def pay(sid, order):
        return charge(order["amount"])

async def customer(call, amount):
    while True:
        try:
            await call("hello")
            return await call("pay", {"amount": amount})
        except TimeoutError:
            pass
"""
ID_FROM_THE_SERVER = """
def shop(sio, charge):
    receipts = {}

    @sio.event
    async def begin(sid):
        return str(uuid.uuid4())

    @sio.event
    async def pay(sid, number, amount):
        if number not in receipts:
            receipts[number] = charge(amount)
        return receipts[number]

async def customer(call, amount):
    async def ask(*message):
        while True:
            try:
                return await call(*message)
            except TimeoutError:
                pass

    number = await ask("begin")
    return await ask("pay", (number, amount))
"""
CONFIRMED = """
def shop(sio, charge):
    orders = {}

    @sio.event
    async def order(sid, amount):
        number = str(uuid.uuid4())
        orders[number] = amount
        return number

    @sio.event
    async def confirm(sid, number):
        return charge(orders[number])

async def customer(call, amount):
    while True:
        try:
            return await call("confirm", await call("order", amount))
        except TimeoutError:
            pass
"""
BY_SESSION = BY_SID.replace('(sid, order["amount"])', "sid")
ONE_ID_FOR_ALL = solution(
    8,
    ("customer(call, amount)", "customer(call, amount, id=str(uuid.uuid4()))"),
    ('{"id": str(uuid.uuid4()), ', '{"id": id, '),
)

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
    param(8, LOOKS_FIRST, "know the message again", id="8-looks-first"),
    param(8, CONFIRMED, "know the message again", id="8-ordered-and-confirmed"),
    param(8, f"{BY_SESSION}\nasync def customer{CUSTOMER}", "same session", id="8-by-session"),
    param(8, ONE_ID_FOR_ALL, "came again, and", id="8-one-id-for-all"),
    param(
        8,
        broken(8, ('charge(order["amount"])', "charge(1)")),
        "A charge of 1, which no customer",
        id="8-another-amount",
    ),
]

RIGHT = [
    param(8, f"import itertools\n{COUNTED}", id="8-counted"),
    param(8, ID_FROM_THE_SERVER, id="8-id-from-the-server"),
]

HINTS = {8: "know the message again"}


class TestShop(ExerciseTests):
    broken = HINTS
    wrong = WRONG
    right = RIGHT

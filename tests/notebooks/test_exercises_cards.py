"""Exercise 3, the card: what is in the notebook, and what a reader might try."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from exercises_kit import ExerciseTests, broken, solution

from sio_demo import exercises

param = pytest.param

pytestmark = pytest.mark.asyncio(loop_scope="module")

ONE_CARD_AT_A_TIME = '''
card = """
let onBid;
function mount(card) {
  if (onBid) socket.off("bid", onBid);
  onBid = (amount) => card.show(amount);
  socket.on("bid", onBid);
  return () => socket.off("bid", onBid);
}
"""
'''
FIRST_CARD_ONLY = '''
card = """
let listening = false;
function mount(card) {
  const onBid = (amount) => card.show(amount);
  if (!listening) socket.on("bid", onBid);
  listening = true;
  return () => socket.off("bid", onBid);
}
"""
'''
CLOSED_IS_SKIPPED = '''
card = """
function mount(card) {
  let open = true;
  socket.on("bid", (amount) => { if (open) card.show(amount); });
  return () => { open = false; };
}
"""
'''
LISTENERS_IN_A_MAP = '''
card = """
const listeners = new Map();
const mount = (card) => {
  listeners.set(card, (amount) => card.show(amount));
  socket.on("bid", listeners.get(card));
  return () => { socket.off("bid", listeners.get(card)); listeners.delete(card); };
};
"""
'''
FANNED_OUT = '''
card = """
const open = new Set();
socket.on("bid", (amount) => { for (const card of open) card.show(amount); });
function mount(card) {
  open.add(card);
  return () => open.delete(card);
}
"""
'''
CATCH_ALL_CARDS = '''
card = """
function mount(card) {
  const onAny = (event, amount) => { if (event === "bid") card.show(amount); };
  socket.onAny(onAny);
  return () => socket.offAny(onAny);
}
"""
'''

WRONG = [
    param(
        3,
        solution(3, ("card.show(amount)", "card.show()")),
        "was not given the amount of the bid: it got undefined",
        id="3-no-amount",
    ),
    param(3, CLOSED_IS_SKIPPED, "leaves its listener, 3 more", id="3-flag"),
    param(
        3,
        broken(3, ('off("bid", (amount) => card.show(amount))', 'off("bid")')),
        "removes every listener",
        id="3-off-without-a-function",
    ),
    param(3, broken(3, ('on("bid"', 'once("bid"')), "shows its first bid only", id="3-once"),
    param(3, ONE_CARD_AT_A_TIME, "gone deaf", id="3-one-variable-for-all"),
    param(3, FIRST_CARD_ONLY, "The left card hears nothing", id="3-guard"),
    param(3, solution(3, ("return function", "function")), "must return", id="3-no-return"),
    param(3, solution(3, ("function mount", "function open")), "not declare", id="3-other-name"),
]

RIGHT = [
    param(3, LISTENERS_IN_A_MAP, id="3-map"),
    param(3, FANNED_OUT, id="3-fanned-out"),
    param(3, CATCH_ALL_CARDS, id="3-catch-all"),
]


@pytest_asyncio.fixture(loop_scope="module", scope="module", autouse=True)
async def one_node() -> AsyncIterator[None]:
    """Share one Node.js."""
    yield
    await exercises.close()


HINTS = {3: "are two functions"}


class TestCards(ExerciseTests):
    broken = HINTS
    wrong = WRONG
    right = RIGHT

"""Exercises 1 to 3, in JavaScript: what is in the notebook, and what a reader might try."""

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
ONLY_THE_FIRST_CONNECT = '''
chat = """
let ready = false;
socket.on("connect", () => {
  if (ready) return;
  ready = true;
  setStatus("online");
  socket.on("message", (text) => show(text));
});
socket.on("disconnect", () => setStatus("offline"));
"""
'''
FIRST_CONNECT_WITH_STATUS = '''
chat = """
let ready = false;
socket.on("connect", () => {
  setStatus("online");
  if (!ready) socket.on("message", show);
  ready = true;
});
socket.on("disconnect", () => setStatus("offline"));
"""
'''
CONNECT_IN_FULL = '''
till = """
const onWelcome = (name) => greet(name);
socket.on("connect", () => {
  socket.off("welcome", onWelcome);
  socket.on("welcome", onWelcome);
  socket.emit("login", ticket());
});
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

WRONG = [
    param(1, broken(1, ('on("connect"', 'once("connect"')), "status stays offline", id="1-once"),
    param(
        1,
        broken(1, ('on("message"', 'once("message"')),
        "second message of each session is lost",
        id="1-once-for-the-message",
    ),
    param(
        1,
        broken(1, ('  socket.on("message"', '  socket.off("message").on("message"')),
        "removes every listener",
        id="1-off-first",
    ),
    param(1, ONLY_THE_FIRST_CONNECT, "status stays offline", id="1-first-connect-only"),
    param(
        1,
        solution(1, ('socket.on("message", (text) => show(text));', "")),
        "No message is shown at all",
        id="1-no-listener",
    ),
    param(2, broken(2, ('on("connect"', 'once("connect"')), "never again", id="2-once"),
    param(
        2,
        broken(2, ('.on("welcome"', '.once("welcome"')),
        "was left over",
        id="2-once-for-the-welcome",
    ),
    param(
        2,
        solution(
            2,
            (
                'socket.on("connect", () => socket.emit("login", ticket()));',
                'socket.emit("login", ticket());',
            ),
        ),
        "never again",
        id="2-emit-outside",
    ),
    param(
        2,
        solution(
            2,
            (
                'socket.on("connect", () => socket.emit("login", ticket()));',
                'const mine = ticket();\nsocket.on("connect", () => socket.emit("login", mine));',
            ),
        ),
        "used before",
        id="2-one-ticket-for-all",
    ),
    param(
        2,
        broken(2, ('.on("welcome"', '.off("welcome").on("welcome"')),
        "removes every listener",
        id="2-off-first",
    ),
    param(
        2,
        solution(2, ('socket.emit("login", ticket())', "{}")),
        "has not logged in",
        id="2-no-login",
    ),
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
    param(1, FIRST_CONNECT_WITH_STATUS, id="1-guard"),
    param(2, CONNECT_IN_FULL, id="2-off-its-own"),
    param(3, LISTENERS_IN_A_MAP, id="3-map"),
]


@pytest_asyncio.fixture(loop_scope="module", scope="module", autouse=True)
async def one_node() -> AsyncIterator[None]:
    """Share one Node.js."""
    yield
    await exercises.close()


HINTS = {1: "Where would it run once?", 2: "5 logins, and each", 3: "are two functions"}


class TestListeners(ExerciseTests):
    broken = HINTS
    wrong = WRONG
    right = RIGHT

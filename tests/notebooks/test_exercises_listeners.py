"""Exercises 1 and 2, in JavaScript: what is in the notebook, and what a reader might try."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from exercises_kit import ExerciseTests, broken, solution

from sio_demo import exercises

param = pytest.param

pytestmark = pytest.mark.asyncio(loop_scope="module")

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
SAME_TEXT_IS_SKIPPED = '''
chat = """
let last = null;
socket.on("connect", () => {
  setStatus("online");
  socket.on("message", (text) => { if (text !== last) show(text); last = text; });
});
socket.on("disconnect", () => setStatus("offline"));
"""
'''
GREETED_IS_SKIPPED = '''
till = """
let greeted;
socket.on("connect", () => {
  greeted = false;
  socket.on("welcome", (name) => { if (!greeted) greet(name); greeted = true; });
  socket.emit("login", ticket());
});
"""
'''
CATCH_ALL = '''
chat = """
socket.onAny((event, text) => { if (event === "message") show(text); });
socket.on("connect", () => setStatus("online"));
socket.on("disconnect", () => setStatus("offline"));
"""
'''
ARMED_AGAIN = '''
chat = """
const arm = () => socket.once("message", (text) => { show(text); arm(); });
arm();
socket.on("connect", () => setStatus("online"));
socket.on("disconnect", () => setStatus("offline"));
"""
'''
TAKEN_BACK_WHEN_CUT = '''
chat = """
const onMessage = (text) => show(text);
socket.on("connect", () => { setStatus("online"); socket.on("message", onMessage); });
socket.on("disconnect", () => { setStatus("offline"); socket.off("message", onMessage); });
"""
'''
ONCE_PER_LOGIN = CONNECT_IN_FULL.replace('on("welcome"', 'once("welcome"')

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
    param(
        1,
        solution(1, ("(text) => show(text)", "() => show()")),
        "`show` was not given the text of the message: it got undefined",
        id="1-no-text",
    ),
    param(
        1,
        solution(1, ('socket.on("disconnect", () => setStatus("offline"));', "")),
        "the status is not offline",
        id="1-never-offline",
    ),
    param(
        1,
        solution(
            1,
            ('socket.on("connect", () => setStatus("online"));', 'setStatus("online");'),
            ('socket.on("disconnect", () => setStatus("offline"));', ""),
        ),
        "the status is not offline",
        id="1-status-at-top-level",
    ),
    param(1, SAME_TEXT_IS_SKIPPED, "4 listeners are there: a condition hides", id="1-flag"),
    param(
        1,
        solution(1, ("=> show(text)", "=> { show(text); show(text); }")),
        "no listener has piled up",
        id="1-shown-twice-by-one-listener",
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
        2,
        solution(2, ("(name) => greet(name)", "() => greet()")),
        "`greet` was not given the name in the welcome: it got undefined",
        id="2-no-name",
    ),
    param(2, GREETED_IS_SKIPPED, "5 listeners are there: a condition hides", id="2-flag"),
    param(
        2,
        solution(2, ("=> greet(name)", "=> { greet(name); greet(name); }")),
        "no listener has piled up",
        id="2-greeted-twice-by-one-listener",
    ),
]

RIGHT = [
    param(1, FIRST_CONNECT_WITH_STATUS, id="1-guard"),
    param(1, CATCH_ALL, id="1-catch-all"),
    param(1, ARMED_AGAIN, id="1-armed-again"),
    param(1, TAKEN_BACK_WHEN_CUT, id="1-taken-back-when-cut"),
    param(2, CONNECT_IN_FULL, id="2-off-its-own"),
    param(2, ONCE_PER_LOGIN, id="2-once-per-login"),
]


@pytest_asyncio.fixture(loop_scope="module", scope="module", autouse=True)
async def one_node() -> AsyncIterator[None]:
    """Share one Node.js."""
    yield
    await exercises.close()


HINTS = {1: "Where would it run once?", 2: "5 logins, and each"}


class TestListeners(ExerciseTests):
    broken = HINTS
    wrong = WRONG
    right = RIGHT

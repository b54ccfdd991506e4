"""A check comes to an end, says what happened, and leaves nothing, whatever the program does."""

from __future__ import annotations

import ast
import asyncio
import itertools
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import pytest

from sio_demo import exercises
from sio_demo.cleanup import clean_up, leftovers, nothing_left
from sio_demo.errors import UsageError
from sio_demo.exercises import page, reader
from sio_demo.exercises.bench import ExerciseBench


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    await clean_up()
    yield
    await exercises.close()
    await nothing_left()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a check give up sooner."""
    monkeypatch.setattr(exercises, "PATIENCE", 2.0)
    monkeypatch.setattr(ExerciseBench, "patience", 0.5)
    monkeypatch.setattr(page, "LIMIT", 1.0)
    monkeypatch.setattr(reader, "LIMIT", 0.3)
    monkeypatch.setattr(reader, "BLOCKING", 0.3)


async def said_of(number: int, *programs: object) -> str:
    """Check programs that are not solutions."""
    result = await exercises.check(number, *programs)
    assert not result.solved
    return f"{result.error} {result.hint}".strip()


# --- programs that cannot be run -------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "programs", "said"),
    [
        (1, (), "Pass `chat` to the check"),
        (1, ("", ""), "Pass `chat` to the check"),
        (8, (print,), "Pass `shop` and `customer` to the check"),
        (1, (None,), "`chat` must be a text of JavaScript, not None."),
        (1, (print,), "`chat` must be a text of JavaScript, not a builtin_function_or_method."),
        (6, (None,), "`restaurant` must be a function, not None."),
        (6, ("def restaurant(sio)",), "`restaurant` must be a function, not a str."),
    ],
)
async def test_program_of_the_wrong_kind_is_named(
    number: int, programs: tuple[object, ...], said: str
) -> None:
    assert (await said_of(number, *programs)).startswith(said)


@pytest.mark.parametrize("number", [0, 11, None, "1"])
async def test_exercise_that_is_not_there_is_a_usage_error(number: object) -> None:
    with pytest.raises(UsageError, match="they are 1 to 10"):
        await exercises.check(number)


async def test_program_with_other_parameters_is_named() -> None:
    def taxis(sio):
        pass

    assert "TypeError: test_program_with_other" in await said_of(7, taxis)


# --- programs that raise ---------------------------------------------------------------


async def test_program_that_raises_is_quoted() -> None:
    def restaurant(sio):
        sio.nonsense()

    said = await said_of(6, restaurant)
    assert said.startswith("Your program raised an exception.")
    assert ":  sio.nonsense()\n          ^^^^^^^^^^^^\n" in said
    assert "AttributeError: 'WatchedServer' object has no attribute 'nonsense'" in said


async def test_handler_that_raises_is_named() -> None:
    def restaurant(sio):
        @sio.event
        async def connect(sid, environ, auth):
            raise ValueError("no such room")

    said = await said_of(6, restaurant)
    assert said.startswith("Your program raised an exception in `connect`.")
    assert ':  raise ValueError("no such room")\nValueError: no such room' in said


async def test_task_that_raises_is_noted_above_the_hint() -> None:
    def thermometer(client, second):
        async def report():
            await second()
            raise ValueError("broken")

        client.start_background_task(report)

    said = await said_of(4, thermometer)
    assert ':  raise ValueError("broken")\nValueError: broken\n```' in said


async def test_coroutine_that_is_not_awaited_is_noted_above_the_hint() -> None:
    def restaurant(sio):
        @sio.event
        async def connect(sid, environ, auth):
            sio.enter_room(sid, auth["room"])

    assert "enter_room' was never awaited." in await said_of(6, restaurant)


async def test_error_of_the_check_itself_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExerciseBench, "quiet", None)
    with pytest.raises(TypeError):
        await exercises.check(5, lambda new_client, url, show: None)


@pytest.mark.parametrize(
    ("chat", "said"),
    [
        ("\nsocket.on(;", "SyntaxError: Unexpected token ';' (line 2)"),
        ("\n\nsocket.onn()", "(line 3)\n    socket.onn()\n           ^"),
        ("socket.on('message', () => { throw new Error('no') })", "Error: no (line 1)"),
        ("await Promise.reject(new Error('no'))", "Error: no (line 1)"),
    ],
)
async def test_javascript_that_throws_is_quoted_with_its_line(chat: str, said: str) -> None:
    assert said in await said_of(1, chat)


# --- programs that hang ----------------------------------------------------------------


@pytest.mark.usefixtures("impatient")
async def test_program_that_waits_for_ever_is_given_up() -> None:
    async def courier(new_client, url, show):
        await asyncio.Event().wait()

    said = await said_of(5, courier)
    assert "has not come to an end" in said
    assert ":  await asyncio.Event().wait()\n```" in said


@pytest.mark.usefixtures("impatient")
async def test_handler_that_never_answers_is_given_up() -> None:
    def hotel(sio, book):
        @sio.event
        async def reserve(sid, request):
            await asyncio.Event().wait()

    assert ":  await asyncio.Event().wait()\n```" in await said_of(10, hotel)


@pytest.mark.usefixtures("impatient")
async def test_guest_who_waits_for_a_connection_is_sent_away_when_the_check_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr(
        reader.Reader, "_task_raised", lambda _, loop, context: said.append(context["message"])
    )

    def hotel(sio, book):
        visits = itertools.count(1)

        @sio.event
        async def connect(sid, environ):
            return next(visits) < 3

        @sio.event
        async def reserve(sid, request):
            return await book(request["room"])

    assert "did not come back" in await said_of(10, hotel)
    assert said == []  # not: Task was destroyed but it is pending


@pytest.mark.usefixtures("impatient")
async def test_event_that_nobody_handles_is_given_up() -> None:
    assert "does not answer" in await said_of(10, lambda sio, book: None)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("wait", [lambda: None, lambda: time.sleep(60)])
async def test_program_that_does_not_give_way_is_stopped(wait) -> None:
    before = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)

    def restaurant(sio):
        while True:
            wait()

    said = await said_of(6, restaurant)
    assert "without giving way" in said
    assert "\nline " in said
    after = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)
    assert after[0] is before[0]
    assert after[1] == pytest.approx(before[1], abs=5)


CELL = """
def restaurant(sio):
    @sio.event
    async def connect(sid, environ, auth):
        await sio.enter_room(sid, auth["room"])

result = await exercises.check(6, restaurant)
"""


@pytest.mark.usefixtures("impatient")
async def test_program_is_not_blamed_for_a_check_that_is_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    close = ExerciseBench.close

    async def close_slowly(self: ExerciseBench) -> None:
        time.sleep(1)  # noqa: ASYNC251 - so that the event loop does not turn
        await close(self)

    monkeypatch.setattr(ExerciseBench, "close", close_slowly)
    names = {"exercises": exercises}
    await eval(compile(CELL, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    assert names["result"].solved


@pytest.mark.usefixtures("impatient")
async def test_handler_that_does_not_give_way_is_stopped_also_if_it_catches_everything() -> None:
    def restaurant(sio):
        @sio.event
        async def connect(sid, environ, auth):
            while True:
                try:
                    while True:
                        pass
                except Exception:
                    pass

    assert "without giving way" in await said_of(6, restaurant)


STATUS = """
socket.on("connect", () => setStatus("online"));
socket.on("disconnect", () => setStatus("offline"));
"""


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("chat", ["for (;;);", "await new Promise(() => {})"])
async def test_javascript_that_hangs_is_given_up_and_the_next_is_run(chat: str) -> None:
    assert "does not come to an end" in await said_of(1, chat)
    assert "No message is shown" in await said_of(1, STATUS)


async def test_program_that_does_nothing_gets_a_hint() -> None:
    assert "has not connected" in await said_of(5, lambda new_client, url, show: None)


async def test_check_that_is_interrupted_cleans_up() -> None:
    async def courier(new_client, url, show):
        client = new_client()
        await client.connect(url, transports=["websocket"])
        began.set()
        await asyncio.Event().wait()

    began = asyncio.Event()
    check = asyncio.create_task(exercises.check(5, courier))
    await began.wait()
    check.cancel()
    with pytest.raises(asyncio.CancelledError):
        await check


TWICE = f"""
import asyncio
from sio_demo import exercises
for _ in range(2):
    print(asyncio.run(exercises.check(1, {STATUS!r})).hint)
"""


def test_javascript_is_run_in_one_event_loop_after_another() -> None:
    command = [sys.executable, "-c", TWICE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.count("No message is shown") == 2


# --- what a program leaves -------------------------------------------------------------


async def test_clients_and_tasks_of_the_program_are_closed() -> None:
    import socketio

    async def courier(new_client, url, show):
        async def tick():
            await asyncio.Event().wait()

        client = socketio.AsyncClient(reconnection_delay=0.01, handle_sigint=False)
        client.on("order", show)
        client.start_background_task(tick)
        await client.connect(url, transports=["websocket"])

    await exercises.check(5, courier)
    assert not any(leftovers()), leftovers()


async def test_handlers_of_the_program_do_not_run_while_its_clients_are_closed() -> None:
    reasons = []

    async def courier(new_client, url, show):
        client = new_client()
        client.on("order", show)
        client.on("disconnect", reasons.append)
        await client.connect(url, transports=["websocket"])

    assert (await exercises.check(5, courier)).solved
    assert reasons == ["transport error"] * 3  # two cuts and an outage

"""Mistakes that a learner makes, in cells of a notebook: each is named, with its line, at once."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import linecache
import time
from collections.abc import AsyncIterator
from typing import Any

import IPython.display
import pytest

import sio_demo
from sio_demo import clean_up, nothing_left
from sio_demo.exercises import feedback, reader

AT_ONCE = 2.0  # seconds, on a machine that is not busy
SHOWING = 0.4  # seconds that the kernel may take to tidy up, and the browser to draw

IMPORTS = (
    "import asyncio, socketio, sqlite3\nfrom sio_demo import *\nfrom sio_demo import exercises\n"
)


class Notebook:
    """Runs cells as IPython does: one namespace, and a file for each, whose lines are known."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.shown: list[str] = []

    async def run(self, cell: str) -> str:
        """Run a cell, and return the last that is shown."""
        cell = cell.strip("\n")
        file = f"<cell {id(cell)} of {id(self)}>"
        linecache.cache[file] = len(cell), None, cell.splitlines(keepends=True), file
        result = eval(compile(cell, file, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), self.names)
        if inspect.isawaitable(result):
            await result
        return self.shown[-1] if self.shown else ""


@pytest.fixture
async def notebook(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Notebook]:
    """A notebook with a server, a link, and a client that is connected."""
    made = Notebook()
    monkeypatch.setattr(feedback, "_solved", {})
    monkeypatch.setattr(
        IPython.display, "display", lambda data, raw: made.shown.append(data["text/markdown"])
    )
    made.names |= {name: getattr(sio_demo, name) for name in sio_demo.__all__}
    await clean_up()
    await made.run("""
import asyncio, socketio, sqlite3
from sio_demo import exercises
sio = socketio.AsyncServer(async_mode="aiohttp")
server = await serve(sio)
link = await Link.to(server)
client = EmitterClient(reconnection_delay=0.01, randomization_factor=0, handle_sigint=False)
await client.connect(link.url, transports=["websocket"])
""")
    yield made
    await made.run("""
await client.shutdown()
await link.close()
await server.close()
""")
    await nothing_left()


PAY = """
@sio.on("my pay")
async def try_my_pay(sid, message):
    return await my_pay(message)

async with exercises.attempt(my_pay=my_pay) as mine:
    answers = [await client.call("my pay", {"id": 1}) for _ in range(2)]
    mine.expect("answers", ["receipt"] * 2, answers, "Which answer does a *retry* get?")
"""
SOLD = """
db = sqlite3.connect(":memory:")
db.execute("CREATE TABLE stock (pieces INTEGER)")
client.off("sold")
client.on("sold", on_sold)
async with exercises.attempt(on_sold=on_sold) as mine:
    await sio.emit("sold", {"pieces": 2})
    await settled(server, *server.sids())
    mine.expect("rows", 1, db.execute("SELECT count(*) FROM stock").fetchone()[0])
db.close()
"""
READ = """
class Reader:
    offset, early, read = 0, {}, []

reader = Reader()
@client.on("news")
async def news(id, text):
    my_take(reader, id, text)

async with exercises.attempt(my_take=my_take) as mine:
    await sio.emit("news", (1, "one"))
    await settled(server, *server.sids())
    mine.expect("read", ["one"], reader.read)
"""
NODE = """
await client.disconnect()
js = await NodeClient.start(link.url)
async with exercises.attempt(my_client=my_client) as mine:
    await js.run(my_client)
    calls = await calls_across_reconnects(server, link, lambda: js.run("calls"), reconnects=1)
    mine.expect("calls", [1, 1], calls)
"""
JS = """
my_client = \"\"\"
let calls = 0;
const socket = io(url, {{ transports: ["websocket"], reconnectionDelay: 10 }});
socket.on("news", () => {{ calls += 1; }});
{}
await new Promise((done) => socket.once("connect", done));
\"\"\"
"""
CLOSE_NODE = "await js.close()"

MISTAKES = [
    pytest.param(
        "async def my_pay(message):\n    tickets = {}\n    return ticket[message['id']]",
        PAY,
        "line 3:  return ticket[message['id']]\n                ^^^^^^\nNameError: name 'ticket'",
        id="a-name-in-a-handler",
    ),
    pytest.param(
        "def on_sold(message):\n    with db:\n"
        '        db.execute("UPDATE stok SET pieces = 1", message)',
        SOLD,
        'line 3:  db.execute("UPDATE stok SET pieces = 1", message)\n'
        "OperationalError: no such table: stok",
        id="an-sql-typo",
    ),
    pytest.param(
        "def my_take(reader, id, text):\n    reader.red.append(text)",
        READ,
        "line 2:  reader.red.append(text)\n         ^^^^^^^^^^\nAttributeError: 'Reader'",
        id="an-attribute",
    ),
    pytest.param(
        "def my_take(reader, text):\n    reader.read.append(text)",
        READ,
        "TypeError: my_take() takes 2 positional arguments but 3 were given",
        id="other-parameters",
    ),
    pytest.param(
        'my_prediction = {"sids": 2}',
        'exercises.prediction(my_prediction, {"sids": 2, "calls": 3})',
        "Your prediction has no number for: calls.",
        id="an-incomplete-prediction",
    ),
    pytest.param(
        "async def my_pay(message):\n    return 'receipt'",
        PAY.replace("client.call(", "shop.call("),
        "`shop` has no value yet. Run the cells above this one, from the top.",
        id="a-later-cell-first",
    ),
    pytest.param(
        JS.format(""), NODE, 'acknowledge "sync" within 1 s. A JavaScript', id="a-forgotten-sync"
    ),
    pytest.param(
        JS.format("socket.onn('sync', (ack) => ack());"),
        NODE,
        "socket.onn is not a function (line 5)\n    socket.onn('sync', (ack) => ack());\n   ",
        id="wrong-javascript",
    ),
    pytest.param(
        "async def my_pay(message):\n    receipt = 'receipt'",
        PAY,
        "`my_pay` has no `return` with a value: it returns None.\n\n```\nline 1:  async def",
        id="a-missing-return",
    ),
    pytest.param(
        "async def my_pay(message):\n    await asyncio.Event().wait()",
        PAY,
        "not come to an end",
        id="a-hang",
    ),
    pytest.param(
        "async def my_pay(message):\n    while True:\n        pass",
        PAY,
        f"run for {reader.BLOCKING:g} s without giving way to anything else. In asyncio, wait "
        "with `await`.\n\n```\nline 2:  while True:",
        id="a-loop-that-blocks",
    ),
    pytest.param("my_pay = None", PAY, "`my_pay` is None now.", id="nothing-there"),
    pytest.param(
        "async def my_pay(message):\n    asyncio.sleep(0)\n    return 'receipt?'",
        PAY,
        "Python says: coroutine 'sleep' was never awaited.",
        id="a-forgotten-await",
    ),
]


@pytest.mark.parametrize(("cell", "check", "said"), MISTAKES)
async def test_mistake_is_named_at_once_with_its_line(
    notebook: Notebook, cell: str, check: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if "NodeClient" in check:  # starting Node.js is not the reader's to answer for
        first, second, *rest = check.strip().split("\n")
        await notebook.run(f"{first}\n{second}")
        check = "\n".join(rest)
    await notebook.run(cell)
    began = time.monotonic()
    shown = await notebook.run(check)
    took = time.monotonic() - began
    if "js" in notebook.names:
        await notebook.run(CLOSE_NODE)
    assert shown.startswith("**✘ Not yet**\n\n")
    assert said in shown
    assert took < 2 * AT_ONCE  # this machine may be busy
    assert len(notebook.shown) == 1
    printed = capsys.readouterr()
    assert "Traceback" not in printed.out + printed.err


def test_limits_leave_the_time_to_show_the_line() -> None:
    assert reader.LIMIT + reader.BEAT + SHOWING <= AT_ONCE
    assert reader.BLOCKING + reader.BEAT < reader.LIMIT  # so the loop is named, and not the hang
    assert reader.PATIENCE + reader.BEAT < reader.LIMIT  # so what the lab waited for is named


async def test_after_a_mistake_the_right_program_is_solved(notebook: Notebook) -> None:
    await notebook.run("async def my_pay(message):\n    await asyncio.Event().wait()")
    assert "line 2:  await asyncio.Event().wait()" in await notebook.run(PAY)
    await notebook.run("async def my_pay(message):\n    return 'receipt'")
    assert (await notebook.run(PAY)).startswith("**✔ Solved**\n\n")


async def test_error_of_the_check_itself_is_raised(notebook: Notebook) -> None:
    await notebook.run("def my_take(reader, id, text):\n    reader.read.append(text)")
    with pytest.raises(ZeroDivisionError):
        await notebook.run(READ.replace('mine.expect("read"', 'mine.expect(1 / 0, "read"'))


async def test_interrupt_goes_through_and_the_next_check_runs(notebook: Notebook) -> None:
    await notebook.run("async def my_pay(message):\n    await asyncio.Event().wait()")
    check = asyncio.create_task(notebook.run(PAY))
    await asyncio.sleep(0.1)
    check.cancel()
    with pytest.raises(asyncio.CancelledError):
        await check
    await notebook.run("async def my_pay(message):\n    return 'receipt'")
    assert (await notebook.run(PAY)).startswith("**✔ Solved**\n\n")


async def test_a_library_that_goes_on_after_a_handler_is_not_waited_for() -> None:
    """python-socketio catches the end of a `connect` handler, and serves the connection on."""
    names: dict[str, Any] = {}
    exec(compile("async def connect(event): await event.wait()", "<cell>", "exec"), names)
    ended, leaves = asyncio.Event(), asyncio.Event()

    async def serve() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await names["connect"](asyncio.Event())
        ended.set()
        await leaves.wait()

    serving = asyncio.create_task(serve())
    await asyncio.sleep(0)
    async with asyncio.timeout(reader.LIMIT / 2):
        await reader.Reader([names["connect"]]).cancel_tasks()
    assert ended.is_set()
    leaves.set()
    await serving

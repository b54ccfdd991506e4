"""Duplicates because what should tell the second copy from the first does not."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing

from ..counters import Counters
from ..lab.packet import TO_SERVER
from .cause import Cause
from .kit import MESSAGE, background, bench, handlers, python_client, until

# --- D22 -------------------------------------------------------------------------------


async def _echo(fixed: bool) -> Counters:
    """Show one's own line at once, and again when the room's copy comes back."""
    calls, screen = list[str](), list[tuple[str, str]]()

    async with bench() as b, python_client() as client:

        @b.sio.event  # type: ignore[untyped-decorator]
        async def say(_sid: str, id: str, text: str) -> None:
            await b.sio.emit("line", (id, text))

        @client.event  # type: ignore[untyped-decorator]
        def line(id: str, text: str) -> None:
            calls.append(id)
            if not (fixed and (id, text) in screen):
                screen.append((id, text))

        await b.connect(client)
        screen.append(("id 1", MESSAGE))
        await client.call("say", ("id 1", MESSAGE))
        await b.settled()
        return Counters(
            handlers([client], "line"),
            len(b.server.sids()),
            b.carried("line"),
            len(calls),
            len(screen),
        )


# --- D23 -------------------------------------------------------------------------------


async def _check_then_await(fixed: bool) -> Counters:
    """Let the retry come while the first attempt still waits for the bank."""
    calls, payments, known = list[str](), list[str](), set[str]()
    bank = asyncio.Event()

    async def pay(_sid: str, id: str, text: str) -> None:
        calls.append(id)
        if id in known:
            return
        if fixed:
            known.add(id)
        await bank.wait()
        payments.append(text)
        known.add(id)

    async with bench() as b, python_client() as client:
        b.sio.on("pay", pay)
        await b.connect(client)
        async with background(client.call("pay", ("id 1", MESSAGE))) as attempt:
            await until(lambda: len(calls) == 1)
            async with background(client.call("pay", ("id 1", MESSAGE))) as retry:
                await until(lambda: len(calls) == 2)
                bank.set()
                await asyncio.gather(attempt, retry)
        return Counters(
            handlers([b.sio], "pay"),
            len(b.server.sids()),
            b.carried("pay", TO_SERVER),
            len(calls),
            len(payments),
        )


# --- D24 -------------------------------------------------------------------------------


def _in_memory() -> Callable[[str], bool]:
    known = set[str]()

    def is_new(id: str) -> bool:
        new = id not in known
        known.add(id)
        return new

    return is_new


def _in_database(db: sqlite3.Connection) -> Callable[[str], bool]:
    def is_new(id: str) -> bool:
        with db:
            return db.execute("INSERT OR IGNORE INTO known VALUES (?)", [id]).rowcount == 1

    return is_new


async def _restart(fixed: bool) -> Counters:
    """Restart the server between a message and its retry."""
    calls, payments = list[str](), list[str]()

    async def attempt(is_new: Callable[[str], bool]) -> Counters:
        def pay(_sid: str, id: str, text: str) -> None:
            calls.append(id)
            if is_new(id):
                payments.append(text)

        async with bench() as b, python_client() as client:
            b.sio.on("pay", pay)
            await b.connect(client)
            await client.call("pay", ("id 1", MESSAGE))
            return Counters(
                handlers([b.sio], "pay"),
                len(b.server.sids()),
                b.carried("pay", TO_SERVER),
                len(calls),
                len(payments),
            )

    with closing(sqlite3.connect(":memory:")) as db:  # it outlives the servers
        db.execute("CREATE TABLE known (id TEXT PRIMARY KEY)")
        first = await attempt(_in_database(db) if fixed else _in_memory())
        again = await attempt(_in_database(db) if fixed else _in_memory())
    return again._replace(packets=first.packets + again.packets)


CAUSES = [
    Cause(
        letter="D22",
        title="One's own message is shown at once, and again when it comes back",
        family="duplicate",
        hits=("any client",),
        symptom="The sender sees each own line twice; all others see it once.",
        mechanism="The program adds the line when it is sent, and the server sends it to the "
        "whole room, the sender included.",
        fix="Give the line an id, and let the copy that comes back confirm the line that is "
        "there; or leave the sender out (`skip_sid`, `socket.broadcast`).",
        evidence=(
            "socketio/socket.io#3569",
            "mainmatter/ember-workshop#368",
            "socketio/socket.io#5340",
            "https://socket.io/docs/v4/broadcasting-events/",
        ),
        reproduce=_echo,
    ),
    Cause(
        letter="D23",
        title="The check for a known id is followed by an await",
        family="duplicate",
        hits=("python-socketio server", "socket.io with async handlers"),
        symptom="Ids are there and are checked, and a retry that comes fast is applied all the "
        "same.",
        mechanism="Handlers run side by side. The second looks while the first waits, and the "
        "id is noted only afterwards.",
        fix="Claim the id first, with no `await` between check and claim, or by a UNIQUE column; "
        "and keep the result for the repetition.",
        evidence=(
            "miguelgrinberg/python-socketio#284",
            "miguelgrinberg/python-socketio#382",
            "miguelgrinberg/Flask-SocketIO#1420",
        ),
        reproduce=_check_then_await,
    ),
    Cause(
        letter="D24",
        title="The memory of known ids is lost at a restart, or expires too soon",
        family="duplicate",
        hits=("any server",),
        symptom="Retries are recognised, except those that span a restart of the server or a "
        "long tunnel.",
        mechanism="The ids were kept in the process, or for less time than a client keeps trying.",
        fix="Keep the ids where the effects are kept, in one transaction with them, for longer "
        "than the last retry can take.",
        evidence=(
            "https://socket.io/docs/v4/delivery-guarantees/",
            "zulip/zulip#31219",
            "mattermost/mattermost#8471",
        ),
        reproduce=_restart,
    ),
]

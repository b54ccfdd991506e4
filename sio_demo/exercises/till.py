"""Exercise 2: a login at each connection, and the listener for its answer."""

from __future__ import annotations

import itertools

from ..errors import NotSeenError
from ..lab.packet import TO_CLIENT
from ..lab.waiting import wait_until
from .bench import ExerciseBench
from .exercise import Exercise
from .listeners import EVERY_ONE_REMOVED, hidden, more, not_given, not_piled_up
from .page import open_page
from .result import Counter, Result, Thing, judge

SOON = 1.0  # seconds after a connection within which the till logs in

_TILL = """
Object.assign(page, { greeted: [], loaded: 0, tickets: 0 });
globalThis.ticket = () => `ticket ${page.tickets += 1}`;
globalThis.greet = (name) => { page.greeted.push(String(name)); };
socket.on("welcome", () => { page.loaded += 1; });
null
"""

_NAMES = ("Ann", "Ben", "Cleo", "Dan", "Eve")
_LISTENERS = "page.added()"


async def _till(bench: ExerciseBench, program: str) -> Result:
    """Five connections; the third is cut when its answer is under way, and does not count."""
    used: set[str] = set()
    welcomed: list[str] = []
    refused = 0

    async def login(sid: str, ticket: str) -> None:
        nonlocal refused
        if ticket in used:
            refused += 1
        else:
            used.add(ticket)
            welcomed.append(_NAMES[len(welcomed) % len(_NAMES)])
            await bench.sio.emit("welcome", welcomed[-1], to=sid)

    bench.sio.on("login", login)
    greeted: list[int] = []
    loaded: list[int] = []
    strange: list[str] = []
    async with open_page(bench, _TILL, program, listens_to="welcome") as page:
        for connection in (1, 2, 3, 4):
            if connection == 3:
                await _lose_the_welcome(bench)
            elif connection > 1:
                await bench.cut()
            await bench.settled()
            names, count = await page("[page.greeted.splice(0), page.loaded]")
            greeted.append(len(names))
            loaded.append(count - sum(loaded))
            strange += [name for name in names if name not in welcomed[-1:]]
            if connection == 1:
                listeners_before = await page(_LISTENERS)
        listeners = await page(_LISTENERS)
    added = more(listeners_before, listeners)
    return judge(
        Thing("a welcome", "welcomes", "handled"),
        {"your till": greeted, "the price list": loaded},
        [
            (
                refused > 0,
                "The server has refused a ticket that was used before. Each connection needs a "
                "new one: when is `ticket()` called?",
            ),
            (
                not used,
                "The server has welcomed nobody: the till has not logged in.",
            ),
            (
                len(used) == 1,
                "The till has logged in once, and after the first cut never again. A login belongs "
                "to a connection, so each connection needs its own.",
            ),
            (0 in loaded, EVERY_ONE_REMOVED),
            (
                greeted == [1, 1, 2, 1],
                "Nearly. One connection was cut between the login and its welcome: the `once` of "
                "that connection was left over, and the next welcome has run both.",
            ),
            (
                max(greeted) > 1 and added > 0,
                f"There were {len(used)} logins, and each has left a listener for `welcome` "
                "behind. A login is sent at each connection; must one listen anew each time?",
            ),
            (max(greeted) > 1, not_piled_up("A welcome", max(greeted))),
            (0 in greeted, "A welcome has come and nobody was greeted. Who listens, and how long?"),
            (bool(strange), not_given("greet", "the name in the welcome", strange)),
            (added > 0, hidden(listeners)),
        ],
        counters=[
            Counter("logins, with the one whose answer was lost", 5, len(used)),
            Counter("greetings with another name", 0, len(strange)),
            Counter("listeners added since the first connection", 0, added),
        ],
        rounds="welcome; before 2 and 3 a cut, before 3 also a welcome that was lost",
        first=1,
    )


async def _lose_the_welcome(bench: ExerciseBench) -> None:
    """Reset; cut the new connection at its ``welcome``; wait until the next one is there."""
    connects = itertools.count(1)
    back = bench.link.expect(lambda p: p.name == "CONNECT" and next(connects) == 2, TO_CLIENT)
    async with bench.link.cut_when("welcome", TO_CLIENT) as lost:
        await bench.link.cut()
        try:
            await wait_until(lambda: lost.met, SOON)
        except NotSeenError:  # it has not logged in
            await bench.cut()
    await back


TILL = Exercise({"till": None}, _till)

"""Exercises 1 to 3: listeners of the JavaScript client that pile up."""

from __future__ import annotations

import asyncio
import itertools

from ..lab.packet import TO_CLIENT
from .bench import Bench
from .exercise import Exercise
from .page import open_page
from .reader import StoppedError
from .result import Counter, Result, Thing, judge

EVERY_ONE_REMOVED = (
    "Another part of the page listens to the same event, and hears nothing any more. `off` without "
    "a function removes every listener, also those of others."
)


# --- 1. The chat -----------------------------------------------------------------------

_CHAT = """
Object.assign(page, { shown: 0, unread: 0, status: "offline" });
globalThis.show = () => { page.shown += 1; };
globalThis.setStatus = (word) => { page.status = word; };
socket.on("message", () => { page.unread += 1; });
null
"""
_CHAT_LISTENERS = 'page.socket.listeners("message").length'


async def _chat(bench: Bench, program: str) -> Result:
    """Two messages in each of four sessions; a reset, a close and a half-open in between."""
    shown: list[int] = []
    unread: list[int] = []
    online = 0
    async with open_page(bench, _CHAT, program) as page:
        for how in (None, "reset", "close", "half-open"):
            if how is not None:
                await bench.cut(how)
            await bench.settled()
            online += await page("page.status") == "online"
            for _ in range(2):
                before = await page("[page.shown, page.unread]")
                await bench.sio.emit("message", f"message {len(shown) + 1}", to=bench.live())
                await bench.settled(times=1)
                after = await page("[page.shown, page.unread]")
                shown.append(after[0] - before[0])
                unread.append(after[1] - before[1])
        listeners = await page(_CHAT_LISTENERS)
    return judge(
        Thing("a message", "messages", "handled"),
        {"your chat": shown, "the unread counter": unread},
        [
            (0 in unread, EVERY_ONE_REMOVED),
            (
                not any(shown),
                "No message is shown at all. The listener must stand somewhere: where is it "
                "registered once, and stays?",
            ),
            (
                shown == [1, 0] * 4,
                "The second message of each session is lost: `once` takes its listener away "
                "after the first. The listener shall stay; it is its place that is wrong.",
            ),
            (
                max(shown) > 1,
                f"`connect` has fired at each of {len(shown) // 2} connections, and the client has "
                f"now {listeners - 1} listeners that show messages. `on` adds one each time it "
                "runs. Where would it run once?",
            ),
            (
                0 in shown,
                "Some messages are not shown any more. What has removed the listener, and when?",
            ),
            (
                online < 4,
                "Each message is shown once now. But after a cut the status stays offline: "
                "something must still happen at every connection.",
            ),
        ],
        counters=[
            Counter("connections at which the status was online", 4, online),
            Counter("listeners for message, with the unread counter", 2, listeners),
        ],
        rounds="message, with a cut before 3, 5 and 7",
        first=1,
    )


# --- 2. The till -----------------------------------------------------------------------

_TILL = """
Object.assign(page, { greeted: 0, loaded: 0, tickets: 0 });
globalThis.ticket = () => `ticket ${page.tickets += 1}`;
globalThis.greet = () => { page.greeted += 1; };
socket.on("welcome", () => { page.loaded += 1; });
null
"""


async def _till(bench: Bench, program: str) -> Result:
    """Five connections; the third is cut when its answer is under way, and does not count."""
    used: set[str] = set()
    refused = 0

    async def login(sid: str, ticket: str) -> None:
        nonlocal refused
        if ticket in used:
            refused += 1
        else:
            used.add(ticket)
            await bench.sio.emit("welcome", "Ann", to=sid)

    bench.sio.on("login", login)
    greeted: list[int] = []
    loaded: list[int] = []
    async with open_page(bench, _TILL, program) as page:
        before = [0, 0]
        for connection in (1, 2, 3, 4):
            if connection == 3:
                await _lose_the_welcome(bench)
            elif connection > 1:
                await bench.cut()
            await bench.settled()
            after = await page("[page.greeted, page.loaded]")
            greeted.append(after[0] - before[0])
            loaded.append(after[1] - before[1])
            before = after
        listeners = await page('page.socket.listeners("welcome").length')
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
                max(greeted) > 1,
                f"There were {len(used)} logins, and each has left a listener for `welcome` "
                "behind. A login is sent at each connection; must one listen anew each time?",
            ),
            (0 in greeted, "A welcome has come and nobody was greeted. Who listens, and how long?"),
        ],
        counters=[
            Counter("logins, with the one whose answer was lost", 5, len(used)),
            Counter("listeners for welcome, with the price list", 2, listeners),
        ],
        rounds="welcome; before 2 and 3 a cut, before 3 also a welcome that was lost",
        first=1,
    )


async def _lose_the_welcome(bench: Bench) -> None:
    """Reset; cut the new connection at its ``welcome``; wait until the next one is there."""
    connects = itertools.count(1)
    back = bench.link.expect(lambda p: p.name == "CONNECT" and next(connects) == 2, TO_CLIENT)
    async with bench.link.cut_when("welcome", TO_CLIENT) as lost:
        await bench.link.cut()
        cut, quiet = asyncio.ensure_future(lost), asyncio.ensure_future(bench.quiet())
        await asyncio.wait({cut, quiet}, return_when=asyncio.FIRST_COMPLETED)
        quiet.cancel()
        if not cut.done():  # it has not logged in
            cut.cancel()
            await bench.cut()
    await back


# --- 3. The card -----------------------------------------------------------------------

_CARDS = """
Object.assign(page, { left: 0, right: 0, price: 0 });
socket.on("bid", () => { page.price += 1; });
page.open = (side) => page.mount({ show: () => { page[side] += 1; } });
null
"""
_COUNTS = "[page.left, page.right, page.price]"


async def _card(bench: Bench, program: str) -> Result:
    """Four times the left card is opened and closed again, while the right one stays open."""
    left: list[int] = []
    right: list[int] = []
    price: list[int] = []
    async with open_page(bench, _CARDS, program, gives="mount") as page:
        if not await page("typeof page.mount === 'function'"):
            raise StoppedError("Your program does not declare a function `mount`.")
        await page("page.closeRight = page.open('right'); null")
        if not await page("typeof page.closeRight === 'function'"):
            raise StoppedError("`mount` must return a function that undoes it, `unmount`.")
        for opened in range(4):
            if opened:
                await bench.cut()
            await page("page.closeLeft = page.open('left'); null")
            for _ in range(2):
                before = await page(_COUNTS)
                await bench.sio.emit("bid", len(left) + 1)
                await bench.settled(times=1)
                after = await page(_COUNTS)
                for row, now, then in zip((left, right, price), after, before, strict=True):
                    row.append(now - then)
            await page("page.closeLeft(); null")
        await page("page.closeRight(); page.left = page.right = 0; null")
        await bench.sio.emit("bid", len(left) + 1)
        await bench.settled(times=1)
        closed = await page("page.left + page.right")
        listeners = await page('page.socket.listeners("bid").length')
    return judge(
        Thing("a bid", "bids", "handled"),
        {"the left card": left, "the right card": right, "the price tag": price},
        [
            (0 in price, EVERY_ONE_REMOVED),
            (
                1 in left and left.count(0) == 4 and max(left) == 1,
                "A card shows its first bid only. `once` hides the symptom, and loses messages: "
                "the card shall listen for as long as it is open.",
            ),
            (
                not any(left) and any(right),
                "The left card hears nothing: it was opened while the right one was open. Each "
                "card needs a listener of its own.",
            ),
            (
                not any(right) or 0 in right,
                "The right card has gone deaf, though nobody has closed it. Each card must take "
                "away its own listener, and no other.",
            ),
            (
                max(left) > 1 or listeners > 1,
                f"All cards are closed, and {listeners - 1} listeners are still there. `off` takes "
                "away a function only if it is the very one that was given to `on`. Two arrow "
                "functions are two functions, even if they read the same.",
            ),
            (0 in left, "Some bids are not shown on the left card."),
        ],
        counters=[
            Counter("bids shown when both cards are closed", 0, closed),
            Counter("listeners for bid then, with the price tag", 1, listeners),
        ],
        rounds="bid; before 3, 5 and 7 a cut, and the left card is opened anew",
        first=1,
    )


CHAT = Exercise({"chat": None}, _chat)
TILL = Exercise({"till": None}, _till)
CARD = Exercise({"card": None}, _card)

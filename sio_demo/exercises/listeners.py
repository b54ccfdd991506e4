"""Exercises 1 to 3: listeners of the JavaScript client that pile up."""

import itertools

from ..errors import NotSeenError
from ..lab.faults import Cut
from ..lab.packet import TO_CLIENT
from ..lab.waiting import wait_until
from .bench import ExerciseBench
from .feedback import Observation
from .page import open_page
from .reader import StoppedError

_CUTS: tuple[Cut | None, ...] = (None, "reset", "close", "half-open")


async def chat(bench: ExerciseBench, program: str) -> Observation:
    """Send two messages in each of four sessions; a reset, a close and a half-open in between."""
    online = offline = 0
    async with open_page(bench, "chat", program) as page:
        for session, how in enumerate(_CUTS):
            if how is not None:
                async with bench.outage(how):
                    offline += await page("page.soon(() => page.status === 'offline')")
            await bench.settled()
            online += await page("page.soon(() => page.status === 'online')")
            for number in (1, 2):
                text = f"message {2 * session + number}"
                await bench.sio.emit("message", text, to=bench.live())
                await bench.settled()
                await page.count(text)
    shown, unread = page.rows.values()
    return Observation(
        page.rows,
        {
            "every_listener_removed": 0 in unread,
            "none_shown": not any(shown),
            "first_of_each_session_only": shown == [1, 0] * 4,
            "piles_up": max(shown) > 1 and page.added > 0,
            "handled_twice": max(shown) > 1,
            "some_missing": 0 in shown,
            "not_given": bool(page.strange),
            "hidden": page.added > 0,
            "stays_offline": online < 4,
            "stays_online": offline < 3,
        },
        {"online": online, "offline": offline, "strange": len(page.strange), "added": page.added},
        {
            "connections": len(_CUTS),
            "listeners": page.listeners[-1],
            "times": max(shown),
            "got": "".join(page.strange[:1]),
        },
    )


SOON = 1.0  # seconds after a connection within which the till logs in

_NAMES = ("Ann", "Ben", "Cleo", "Dan", "Eve")


async def till(bench: ExerciseBench, program: str) -> Observation:
    """Connect five times; the third is cut when its answer is under way, and does not count."""
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
    async with open_page(bench, "till", program) as page:
        for connection in (1, 2, 3, 4):
            if connection == 3:
                await _lose_the_welcome(bench)
            elif connection > 1:
                await bench.cut()
            await bench.settled()
            await page.count(*welcomed[-1:])
    greeted, loaded = page.rows.values()
    return Observation(
        page.rows,
        {
            "ticket_used_again": refused > 0,
            "no_login": not used,
            "no_login_after_a_cut": len(used) == 1,
            "every_listener_removed": 0 in loaded,
            "once_left_over": greeted == [1, 1, 2, 1],
            "piles_up": max(greeted) > 1 and page.added > 0,
            "handled_twice": max(greeted) > 1,
            "welcome_missed": 0 in greeted,
            "not_given": bool(page.strange),
            "hidden": page.added > 0,
        },
        {"logins": len(used), "strange": len(page.strange), "added": page.added},
        {
            "listeners": page.listeners[-1],
            "times": max(greeted),
            "got": "".join(page.strange[:1]),
        },
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


async def card(bench: ExerciseBench, program: str) -> Observation:
    """Open and close the left card four times, while the right one stays open."""
    async with open_page(bench, "card", program) as page:
        if not await page("typeof page.mount === 'function'"):
            raise StoppedError("Your program does not declare a function `mount`.")
        await page("page.closeRight = page.open('right'); null")
        if not await page("typeof page.closeRight === 'function'"):
            raise StoppedError("`mount` must return a function that undoes it, `unmount`.")
        for opened in range(4):
            if opened:
                await bench.cut()
            await page("page.closeLeft = page.open('left'); null")
            for bid in (2 * opened + 1, 2 * opened + 2):
                await bench.sio.emit("bid", bid)
                await bench.settled()
                await page.count(str(bid))
            await page("page.closeLeft(); null")
        left, right, price = page.rows.values()
        await page("page.closeRight(); null")
        await bench.sio.emit("bid", len(left) + 1)
        await bench.settled()
        calls = await page("page.taken()")
        closed = len(calls["the left card"] + calls["the right card"])
    return Observation(
        page.rows,
        {
            "every_listener_removed": 0 in price,
            "first_bid_only": 1 in left and left.count(0) == 4 and max(left) == 1,
            "left_deaf": not any(left) and any(right),
            "right_deaf": not any(right) or 0 in right,
            "piles_up": max(left + right) > 1 and page.added > 0,
            "handled_twice": max(left + right) > 1,
            "left_misses_some": 0 in left,
            "not_given": bool(page.strange),
            "condition_hides_it": page.added > 0,
            "closed_card_shows": closed > 0,
        },
        {"closed": closed, "strange": len(page.strange), "added": page.added},
        {"times": max(left + right), "got": "".join(page.strange[:1])},
    )

"""Exercise 1: a listener of the JavaScript client that is registered at each connection."""

from __future__ import annotations

from ..lab.tap import Cut
from .bench import ExerciseBench
from .exercise import Exercise
from .listeners import EVERY_ONE_REMOVED, hidden, more, not_given, not_piled_up
from .page import open_page
from .result import Counter, Result, Thing, judge

_CHAT = """
Object.assign(page, { shown: [], unread: 0, status: "offline" });
globalThis.show = (text) => { page.shown.push(String(text)); };
globalThis.setStatus = (word) => { page.status = word; };
socket.on("message", () => { page.unread += 1; });
null
"""
_CUTS: tuple[Cut | None, ...] = (None, "reset", "close", "half-open")
_LISTENERS = "page.added()"


async def _chat(bench: ExerciseBench, program: str) -> Result:
    """Two messages in each of four sessions; a reset, a close and a half-open in between."""
    shown: list[int] = []
    unread: list[int] = []
    strange: list[str] = []
    online = offline = 0
    async with open_page(bench, _CHAT, program, listens_to="message") as page:
        for how in _CUTS:
            if how is not None:
                async with bench.outage(how):
                    offline += await page("page.soon(() => page.status === 'offline')")
            await bench.settled()
            online += await page("page.soon(() => page.status === 'online')")
            for _ in range(2):
                text = f"message {len(shown) + 1}"
                await bench.sio.emit("message", text, to=bench.live())
                await bench.settled()
                texts, count = await page("[page.shown.splice(0), page.unread]")
                shown.append(len(texts))
                unread.append(count - sum(unread))
                strange += [each for each in texts if each != text]
            if how is None:
                listeners_before = await page(_LISTENERS)
        listeners = await page(_LISTENERS)
    added = more(listeners_before, listeners)
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
                max(shown) > 1 and added > 0,
                f"`connect` has fired at each of {len(_CUTS)} connections, and the client has "
                f"now {listeners} listeners that show messages. `on` adds one each time it "
                "runs. Where would it run once?",
            ),
            (max(shown) > 1, not_piled_up("A message", max(shown))),
            (
                0 in shown,
                "Some messages are not shown any more. What has removed the listener, and when?",
            ),
            (bool(strange), not_given("show", "the text of the message", strange)),
            (added > 0, hidden(listeners)),
            (
                online < 4,
                "Each message is shown once now. But after a cut the status stays offline: "
                "something must still happen at every connection.",
            ),
            (
                offline < 3,
                "Each message is shown once now. But in an outage the status is not offline: "
                "who tells it that the connection is gone?",
            ),
        ],
        counters=[
            Counter("connections at which the status was online", 4, online),
            Counter("outages in which the status was offline", 3, offline),
            Counter("messages shown with another text", 0, len(strange)),
            Counter("listeners added since the first connection", 0, added),
        ],
        rounds="message, with a cut before 3, 5 and 7",
        first=1,
    )


CHAT = Exercise({"chat": None}, _chat)

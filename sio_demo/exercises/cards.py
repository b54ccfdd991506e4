"""Exercise 3: a listener that is to go when what it serves goes."""

from __future__ import annotations

from .bench import ExerciseBench
from .exercise import Exercise
from .listeners import EVERY_ONE_REMOVED, more, not_given, not_piled_up
from .page import open_page
from .reader import StoppedError
from .result import Counter, Result, Thing, judge

_CARDS = """
Object.assign(page, { left: [], right: [], price: 0 });
socket.on("bid", () => { page.price += 1; });
page.open = (side) => page.mount({ show: (amount) => { page[side].push(String(amount)); } });
null
"""
_SHOWN = "[page.left.splice(0), page.right.splice(0), page.price]"
_LISTENERS = "page.added()"


async def _card(bench: ExerciseBench, program: str) -> Result:
    """Four times the left card is opened and closed again, while the right one stays open."""
    left: list[int] = []
    right: list[int] = []
    price: list[int] = []
    strange: list[str] = []
    async with open_page(bench, _CARDS, program, gives="mount", listens_to="bid") as page:
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
                bid = len(left) + 1
                await bench.sio.emit("bid", bid)
                await bench.settled()
                on_left, on_right, count = await page(_SHOWN)
                left.append(len(on_left))
                right.append(len(on_right))
                price.append(count - sum(price))
                strange += [amount for amount in on_left + on_right if amount != str(bid)]
            await page("page.closeLeft(); null")
            if not opened:
                listeners_before = await page(_LISTENERS)
        added = more(listeners_before, await page(_LISTENERS))
        await page("page.closeRight(); null")
        await bench.sio.emit("bid", len(left) + 1)
        await bench.settled()
        closed = sum(map(len, (await page(_SHOWN))[:2]))
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
                max(left + right) > 1 and added > 0,
                f"The left card is closed, and its listener is still there: {added} more since it "
                "was first closed. `off` takes away a function only if it is the very one that was "
                "given to `on`. Two arrow functions are two functions, even if they read the same.",
            ),
            (max(left + right) > 1, not_piled_up("A bid", max(left + right))),
            (0 in left, "Some bids are not shown on the left card."),
            (bool(strange), not_given("card.show", "the amount of the bid", strange)),
            (
                added > 0,
                f"Shown once; but a card that is closed leaves its listener, {added} more since "
                "the first was closed: a condition hides it, and each of them still runs. How is "
                "a listener taken away?",
            ),
            (closed > 0, "All cards are closed, and one of them still shows bids."),
        ],
        counters=[
            Counter("bids shown when both cards are closed", 0, closed),
            Counter("bids shown with another amount", 0, len(strange)),
            Counter("listeners added since the left card was first closed", 0, added),
        ],
        rounds="bid; before 3, 5 and 7 a cut, and the left card is opened anew",
        first=1,
    )


CARD = Exercise({"card": None}, _card)

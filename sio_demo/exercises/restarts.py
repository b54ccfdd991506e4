"""Exercise 9: what a server still knows when it has been killed and started again."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..lab.packet import TO_CLIENT
from ..lab.waiting import called
from .bench import ExerciseBench
from .caller import Caller
from .exercise import Exercise
from .result import Counter, Result, Thing, judge

TABLES = """
CREATE TABLE account (coins INTEGER);
INSERT INTO account VALUES (0);
CREATE TABLE done (id TEXT PRIMARY KEY);
"""


class Disk:
    """A database in a file, and all that was ever committed to it.

    What is committed is what a process finds that starts after a kill. A second connection sees
    just that: it looks before each statement of the first, and after the last.
    """

    def __init__(self, file: Path, content: str = TABLES) -> None:
        self.connection = sqlite3.connect(file)
        self.connection.executescript(f"PRAGMA synchronous = OFF; {content}")
        self._second = sqlite3.connect(file)
        self.states: list[str] = []
        self.look()
        self.connection.set_trace_callback(lambda _: self.look())

    def look(self) -> None:
        """Note what is committed, if it is not what it was."""
        state = "\n".join(self._second.iterdump())
        if self.states[-1:] != [state]:
            self.states.append(state)

    def coins(self) -> int:
        """Read the account, as another process would."""
        return int(self._second.execute("SELECT coins FROM account").fetchone()[0])

    def close(self) -> None:
        """Close both connections; what is not committed is gone."""
        self.connection.set_trace_callback(None)
        self.connection.close()
        self._second.close()


class _Wallet:
    """The reader's server with its disk, a customer, and the power switch."""

    def __init__(self, bench: ExerciseBench, program: Callable[..., Any], folder: Path) -> None:
        self._bench, self._program, self._folder = bench, program, folder
        self._caller = Caller(bench)
        self._files = 0
        self.disk: Disk

    async def start(self, content: str = TABLES) -> None:
        """Start the server with a disk that holds this."""
        self._files += 1
        self.disk = Disk(self._folder / f"{self._files}.db", content)
        await called(self._program(self._bench.sio, self.disk.connection))

    async def restart(self, content: str) -> None:
        """Kill the server, and start another one on a disk that holds this."""
        async with self._bench.outage():
            self.disk.close()
            await self._bench.serve_reader()
            await self.start(content)
        await self._bench.settled()

    async def connect(self) -> None:
        """Let the customer connect."""
        await self._caller.connect()

    async def deposit(self, coins: int) -> Any:
        """Send the message, once; None if there is no answer."""
        try:
            return await self._caller.call("deposit", {"id": f"id of {coins}", "coins": coins})
        except TimeoutError:
            return None

    async def deposit_unheard(self, coins: int) -> list[str]:
        """Send the message, lose its answer, and give what was committed before and since."""
        before = len(self.disk.states) - 1
        async with self._bench.link.cut_when("ACK", TO_CLIENT):
            await self.deposit(coins)
        self.disk.look()
        return self.disk.states[before:]


async def _run(bench: ExerciseBench, program: Callable[..., Any]) -> Result:
    """Four deposits; two of them meet a kill before the customer tries again."""
    with tempfile.TemporaryDirectory() as folder:
        wallet = _Wallet(bench, program, Path(folder))
        await wallet.start()
        try:
            return await _deposits(wallet)
        finally:
            wallet.disk.close()


async def _deposits(wallet: _Wallet) -> Result:
    """Deposit 1, 2, 3 and 4 coins, each number with an id of its own."""
    coins = [0]
    answers = []
    await wallet.connect()

    answers.append(await wallet.deposit(1))
    coins.append(wallet.disk.coins())

    await wallet.deposit_unheard(2)
    answers.append(await wallet.deposit(2))
    coins.append(wallet.disk.coins())

    before, *between = (await wallet.deposit_unheard(3))[:-1] or wallet.disk.states[-1:]
    await wallet.restart(between[0] if between else before)
    answers.append(await wallet.deposit(3))
    coins.append(wallet.disk.coins())

    after = (await wallet.deposit_unheard(4))[-1]
    await wallet.restart(after)
    answers.append(await wallet.deposit(4))
    coins.append(wallet.disk.coins())

    added = {amount: coins[amount] - coins[amount - 1] for amount in (1, 2, 3, 4)}
    effects = [_times(amount, total) for amount, total in added.items()]
    strange = [amount for amount, total in added.items() if total % amount]
    return judge(
        Thing("a deposit", "deposits", "booked"),
        {"your wallet": effects},
        [
            (
                not any(effects),
                "Nothing is booked: another connection to the database sees no coin. What is not "
                "committed is gone when the process ends.",
            ),
            (
                bool(strange),
                f"A deposit of {min(strange, default=0)} has added "
                f"{added.get(min(strange, default=0))} to the account. How many coins are in it, "
                "the message says.",
            ),
            (
                effects[1] > 1,
                "The answer was lost, the customer has tried again, and your server has booked "
                "again. Does it look at `done`, and act on what it finds there?",
            ),
            (
                effects[3] > 1,
                "Your server was killed when all was done, only the answer was not heard. The new "
                "process has an empty memory, so the retry looked new. Where would the id outlive "
                "the process?",
            ),
            (
                effects[2] == 0,
                "Your server was killed between two commits: the id was on the disk, the coins "
                "were not. The retry was taken for a duplicate, so the coins are lost. What makes "
                "two changes one?",
            ),
            (
                effects[2] > 1,
                "Your server was killed between two commits: the coins were on the disk, the id "
                "was not. The retry has booked them again. What makes two changes one?",
            ),
            (0 in effects, "A deposit is lost: it was taken for one that was booked before."),
            (
                None in answers,
                "Each deposit is booked once, but a retry has got no answer: tell it.",
            ),
        ],
        counters=[
            Counter("coins in the account", 10, coins[-1]),
            Counter("deposits that were answered", 4, sum(a is not None for a in answers)),
        ],
        faults=["no fault", "answer lost", "killed half-way", "killed at the end"],
    )


def _times(amount: int, total: int) -> int:
    """Tell how often a deposit was booked that has added so much: another amount counts as one."""
    return total // amount if total % amount == 0 else 1


WALLET = Exercise({"wallet": ("sio", "db")}, _run)

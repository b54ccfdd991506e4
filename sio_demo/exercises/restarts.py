"""Exercise 9: what a server still knows when it has been killed and started again."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..lab.packet import TO_CLIENT
from .bench import Bench
from .caller import Caller
from .exercise import Exercise
from .reader import called
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

    def __init__(self, bench: Bench, program: Callable[..., Any], folder: Path) -> None:
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
        back = self._bench.link.expect("CONNECT", TO_CLIENT)
        async with self._bench.link.refuse():
            await self._bench.link.cut()
            self.disk.close()
            await self._bench.serve()
            await self.start(content)
        await back
        await self._bench.settled()

    async def connect(self) -> None:
        """Let the customer connect."""
        await self._caller.connect()

    async def deposit(self, name: str) -> Any:
        """Send the message, once; None if there is no answer."""
        try:
            return await self._caller.call("deposit", {"id": f"id of {name}", "coins": 1})
        except TimeoutError:
            return None

    async def deposit_unheard(self, name: str) -> list[str]:
        """Send the message, lose its answer, and give what was committed before and since."""
        before = len(self.disk.states) - 1
        async with self._bench.link.cut_when("ACK", TO_CLIENT):
            await self.deposit(name)
        self.disk.look()
        return self.disk.states[before:]


async def _run(bench: Bench, program: Callable[..., Any]) -> Result:
    """Four deposits of one coin; two of them meet a kill before the customer tries again."""
    with tempfile.TemporaryDirectory() as folder:
        wallet = _Wallet(bench, program, Path(folder))
        await wallet.start()
        try:
            return await _deposits(wallet)
        finally:
            wallet.disk.close()


async def _deposits(wallet: _Wallet) -> Result:
    coins = [0]
    answers = []
    await wallet.connect()

    answers.append(await wallet.deposit("no fault"))
    coins.append(wallet.disk.coins())

    await wallet.deposit_unheard("answer lost")
    answers.append(await wallet.deposit("answer lost"))
    coins.append(wallet.disk.coins())

    before, *between = (await wallet.deposit_unheard("half-way"))[:-1] or wallet.disk.states[-1:]
    await wallet.restart(between[0] if between else before)
    answers.append(await wallet.deposit("half-way"))
    coins.append(wallet.disk.coins())

    after = (await wallet.deposit_unheard("at the end"))[-1]
    await wallet.restart(after)
    answers.append(await wallet.deposit("at the end"))
    coins.append(wallet.disk.coins())

    effects = [now - then for then, now in pairwise(coins)]
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
                "Your server was killed between two commits: the id was on the disk, the coin was "
                "not. The retry was taken for a duplicate, so the coin is lost. What makes two "
                "changes one?",
            ),
            (
                effects[2] > 1,
                "Your server was killed between two commits: the coin was on the disk, the id was "
                "not. The retry has booked it again. What makes two changes one?",
            ),
            (0 in effects, "A deposit is lost: it was taken for one that was booked before."),
            (None in answers, "Each coin is booked once, but a retry has got no answer: tell it."),
        ],
        counters=[
            Counter("coins in the account", 4, coins[-1]),
            Counter("deposits that were answered", 4, sum(a is not None for a in answers)),
        ],
        faults=["no fault", "answer lost", "killed half-way", "killed at the end"],
    )


WALLET = Exercise({"wallet": ("sio", "db")}, _run)

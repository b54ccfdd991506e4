"""Exercise 9: what a server still knows when it has been killed and started again."""

import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..lab.packet import TO_CLIENT
from .bench import Caller, ExerciseBench
from .texts import Observation

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


class _Bank:
    """The reader's server with its disk, a customer, and the power switch."""

    def __init__(self, bench: ExerciseBench, program: Callable[..., Any], folder: Path) -> None:
        self._bench, self._program, self._folder = bench, program, folder
        self._files = 0
        self.caller = Caller(bench)
        self.disk: Disk
        self.coins = [0]  # in the account at first, and after each deposit
        self.answers: list[Any] = []  # to each deposit; None if there was none

    async def start(self, content: str = TABLES) -> None:
        """Start the server with a disk that holds this."""
        self._files += 1
        self.disk = Disk(self._folder / f"{self._files}.db", content)
        await self._bench.run(self._program, self._bench.sio, self.disk.connection)

    async def restart(self, content: str) -> None:
        """Kill the server, and start another one on a disk that holds this."""
        async with self._bench.outage():
            self.disk.close()
            await self._bench.serve_reader()
            await self.start(content)
        await self._bench.settled()

    async def deposit(self, coins: int) -> None:
        """Send the message, and note its answer and what is in the account."""
        self.answers.append(await self._send(coins))
        self.coins.append(self.disk.coins())

    async def deposit_unheard(self, coins: int) -> list[str]:
        """Send the message, lose its answer, and return what was committed before and since."""
        before = len(self.disk.states) - 1
        async with self._bench.link.cut_when("ACK", TO_CLIENT):
            await self._send(coins)
        self.disk.look()
        return self.disk.states[before:]

    async def _send(self, coins: int) -> Any:
        """Return the answer to a deposit; None if there is none."""
        try:
            return await self.caller.call("deposit", {"id": f"id of {coins}", "coins": coins})
        except TimeoutError:
            return None


async def wallet(bench: ExerciseBench, program: Callable[..., Any]) -> Observation:
    """Make four deposits; two of them meet a kill before the customer tries again."""
    with tempfile.TemporaryDirectory() as folder:
        bank = _Bank(bench, program, Path(folder))
        await bank.start()
        try:
            await _make_deposits(bank)
        finally:
            bank.disk.close()
    added = {amount: bank.coins[amount] - bank.coins[amount - 1] for amount in (1, 2, 3, 4)}
    effects = [_times(amount, total) for amount, total in added.items()]
    strange = [amount for amount, total in added.items() if total % amount]
    least = min(strange, default=0)
    return Observation(
        {"your wallet": effects},
        {
            "not_committed": not any(effects),
            "strange_amount": bool(strange),
            "done_not_looked_at": effects[1] > 1,
            "only_in_memory": effects[3] > 1,
            "marked_then_killed": effects[2] == 0,
            "booked_then_killed": effects[2] > 1,
            "deposit_lost": 0 in effects,
            "retry_not_answered": None in bank.answers,
        },
        {"coins": bank.coins[-1], "answered": sum(answer is not None for answer in bank.answers)},
        {"amount": least, "added": added.get(least)},
    )


async def _make_deposits(bank: _Bank) -> None:
    """Deposit 1, 2, 3 and 4 coins, each number with an id of its own."""
    await bank.caller.connect()
    await bank.deposit(1)

    await bank.deposit_unheard(2)
    await bank.deposit(2)

    before, *between = (await bank.deposit_unheard(3))[:-1] or bank.disk.states[-1:]
    await bank.restart(between[0] if between else before)
    await bank.deposit(3)

    after = (await bank.deposit_unheard(4))[-1]
    await bank.restart(after)
    await bank.deposit(4)


def _times(amount: int, total: int) -> int:
    """Return how often a deposit was booked that has added so much: a wrong amount is once."""
    return total // amount if total % amount == 0 else 1

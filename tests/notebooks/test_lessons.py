"""What a lesson's repair must do beyond what its notebook measures."""

from __future__ import annotations

import asyncio
from typing import Any

import guards
import pytest
from exercises_kit import execute

NOTEBOOK = guards.read(guards.ROOT / "notebooks" / "06_message_ids.ipynb")
[LESSON] = [
    cell.source for cell in guards.code_cells(NOTEBOOK) if "def share_the_work" in cell.source
]
[EXERCISE] = guards.exercises(NOTEBOOK)


class Server:
    def on(self, _event: str) -> Any:
        return lambda handler: handler


async def test_lesson_retries_after_any_failure_of_the_bank() -> None:
    """A bank that times out is asked again by the next attempt, as one that refuses is."""
    asked = []

    async def bank(_amount: int, _id: str | None = None) -> str:
        asked.append(1)
        if len(asked) == 1:
            raise TimeoutError
        return "transfer 1"

    names: dict[str, Any] = {"asyncio": asyncio, "bank": bank, "sio": Server()}
    await execute(LESSON, names)
    message = {"id": "a7", "amount": 10}
    assert await names["share_the_work"]("sid", message) == "unknown, please try again"
    assert await names["share_the_work"]("sid", message) == "transfer 1"

    asked.clear()
    await execute(EXERCISE.solution, names)
    with pytest.raises(TimeoutError):
        await names["my_pay"](message)
    assert await names["my_pay"](message) == "transfer 1"

"""What a lesson's repair must do beyond what its notebook measures."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import guards
import pytest
import socketio
from exercises_kit import execute

from sio_demo.lab.bench import bench, new_client, shut_down

NOTEBOOK = guards.read(guards.ROOT / "notebooks" / "06_message_ids.ipynb")
DEAD = guards.read(guards.ROOT / "notebooks" / "04b_dead_connections.ipynb")
[EXERCISE] = guards.exercises(NOTEBOOK)


def cell(notebook: Any, text: str) -> str:
    """Return the code cell with a text in it."""
    [found] = [cell.source for cell in guards.code_cells(notebook) if text in cell.source]
    return str(found)


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
    await execute(cell(NOTEBOOK, "def share_the_work"), names)
    message = {"id": "a7", "amount": 10}
    assert await names["share_the_work"]("sid", message) == "unknown, please try again"
    assert await names["share_the_work"]("sid", message) == "transfer 1"

    asked.clear()
    await execute(EXERCISE.solution, names)
    with pytest.raises(TimeoutError):
        await names["my_pay"](message)
    assert await names["my_pay"](message) == "transfer 1"


async def test_a_watchdog_leaves_one_client_though_an_attempt_was_under_way() -> None:
    """`shutdown` waits for the attempt, and may return connected: all came twice."""
    trying, go_on = asyncio.Event(), asyncio.Event()
    go_on.set()
    async with bench() as b:

        @b.sio.on("connect")
        async def slow(_sid: str, _environ: Any) -> None:
            trying.set()
            await go_on.wait()

        async def answers(_client: Any) -> bool:
            return False

        names: dict[str, Any] = {"answers": answers, "socketio": socketio, "suppress": suppress}
        await execute(cell(DEAD, "class Watchdog"), names)
        dog = names["Watchdog"](new_client, b.link.url)
        first = dog.client
        await first.connect(b.link.url, transports=["websocket"])
        trying.clear()
        go_on.clear()
        await b.link.cut()
        await trying.wait()
        await dog.look()
        looking = asyncio.create_task(dog.look())
        await asyncio.sleep(0)
        go_on.set()
        await looking
        assert (first.connected, dog.client.connected) == (False, True)
        await shut_down(dog.client)

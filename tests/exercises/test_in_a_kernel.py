"""What only a kernel shows: an interrupt, and the frames of an error."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from jupyter_client.blocking import BlockingKernelClient
from kernels import LocalKernelManager

RIG = """
import asyncio, socketio
from sio_demo import EmitterClient, Link, exercises, serve, settled
sio = socketio.AsyncServer(async_mode="aiohttp")
server = await serve(sio)
link = await Link.to(server)
client = EmitterClient(reconnection_delay=0.01, randomization_factor=0, handle_sigint=False)
await client.connect(link.url, transports=["websocket"])
"""
HANGS = """async def my_pay(message):
    print("waiting", flush=True)
    await asyncio.Event().wait()
"""
CHECK = """async with exercises.attempt(my_pay=my_pay) as mine:
    mine.expect("answer", "paid", await my_pay(1))
"""


class Kernel:
    """A kernel that runs cells."""

    def __init__(self) -> None:
        self._manager = LocalKernelManager()
        self._manager.start_kernel()
        self._client: BlockingKernelClient = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)

    def run(self, cell: str, interrupt_at: str = "\0") -> tuple[str, str]:
        """Run a cell, interrupted when it has printed this; return what it shows, and errors."""
        shown, errors, number = "", "", self._client.execute(cell)
        while True:
            message = self._client.get_iopub_msg(timeout=30)
            content = message["content"]
            if message["parent_header"].get("msg_id") != number:
                continue
            shown += content.get("text", "") + content.get("data", {}).get("text/markdown", "")
            errors += re.sub(r"\x1b\[[\d;]*m", "", "\n".join(content.get("traceback", [])))
            if interrupt_at in content.get("text", ""):
                self._manager.interrupt_kernel()
            if content.get("execution_state") == "idle":
                return shown, errors

    def close(self) -> None:
        """End it."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    """One with a rig."""
    made = Kernel()
    try:
        assert made.run(RIG) == ("", "")
        yield made
    finally:
        made.close()


def test_check_that_is_interrupted_says_at_which_line(kernel: Kernel) -> None:
    kernel.run(HANGS)
    shown, error = kernel.run(CHECK, interrupt_at="waiting")
    assert shown == "waiting\n"
    assert "----> 3     await asyncio.Event().wait()" in error
    assert "KeyboardInterrupt: interrupted while the line at the arrow was waiting" in error
    assert "sio_demo" not in error


def test_next_check_runs_after_an_interrupt(kernel: Kernel) -> None:
    kernel.run("async def my_pay(message):\n    return 'paid'")
    shown, error = kernel.run(CHECK)
    assert shown.startswith("**✔ Solved**")
    assert error == ""


def test_hang_is_shown_with_its_line_and_no_traceback(kernel: Kernel) -> None:
    kernel.run(HANGS)
    shown, error = kernel.run(CHECK)
    assert "**✘ Not yet**\n\nYour program has not come to an end" in shown
    assert "\n\n```\nline 3:  await asyncio.Event().wait()" in shown
    assert error == ""


def test_error_of_the_package_shows_the_cell_and_no_library(kernel: Kernel) -> None:
    _, error = kernel.run("listens = True\nclient.listeners(1)")
    assert "----> 2 client.listeners(1)" in error
    assert "UsageError" in error
    assert "clients.py" not in error

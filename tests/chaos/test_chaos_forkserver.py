"""Processes are forked from one that has imported all; they are real, and really killed."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress

import psutil
import pytest

from sio_demo import cleanup
from sio_demo.chaos.forkserver import ForkServer
from sio_demo.chaos.stores import PARTS
from sio_demo.errors import ClosedError


@pytest.fixture
async def fork_server(quiet):
    fork_server = await ForkServer.open()
    yield fork_server
    await fork_server.close()


@pytest.fixture
def order(tmp_path):
    return {"path": str(tmp_path / "inbox.db"), "parts": PARTS["none"]}


class Ear:
    """Hears what a process says."""

    def __init__(self):
        self._messages = asyncio.Queue()

    def __call__(self, message):
        self._messages.put_nowait(message)

    async def next(self):
        async with asyncio.timeout(10):
            return await self._messages.get()


async def test_a_process_runs_a_program_and_talks(fork_server, order):
    hear = Ear()
    child = await fork_server.start("server", order, hear)
    said, url = await hear.next()
    assert said == "url"
    assert url.startswith("http://127.0.0.1:")
    child.tell("arm", "nowhere")
    assert await hear.next() == ("armed",)
    assert child.pid != os.getpid()
    await child.kill()


async def test_a_killed_process_is_gone_for_good(fork_server, order):
    hear = Ear()
    child = await fork_server.start("server", order, hear)
    await hear.next()
    pid = child.pid
    await child.kill()
    assert not psutil.pid_exists(pid)
    child.tell("stop")
    await child.kill()


async def test_a_program_that_fails_says_why(fork_server):
    hear = Ear()
    child = await fork_server.start("server", {}, hear)
    said, why = await hear.next()
    assert said == "failed"
    assert why.rstrip().endswith("KeyError: 'parts'")
    await child.kill()


async def test_a_process_that_ends_of_itself_is_heard_to_its_last_word(fork_server, order):
    hear = Ear()
    child = await fork_server.start("server", order, hear)
    await hear.next()
    for _ in range(100):
        child.tell("arm", "")
    child.tell("stop")
    async with asyncio.timeout(10):
        await child.gone.wait()
    await child.kill()
    assert [await hear.next() for _ in range(101)] == [("armed",)] * 100 + [("gone",)]


async def test_processes_end_with_their_fork_server(quiet, order):
    fork_server = await ForkServer.open()
    hear = Ear()
    child = await fork_server.start("server", order, hear)
    await hear.next()
    await fork_server.close()
    async with asyncio.timeout(10):
        await child.gone.wait()
    await fork_server.close()
    with pytest.raises(ClosedError):
        await fork_server.start("server", order, hear)


async def test_a_fork_server_that_was_killed_is_an_error(fork_server, order):
    os.kill(fork_server._process.pid, signal.SIGKILL)
    with pytest.raises(ClosedError, match="has ended"):
        await fork_server.start("server", order, Ear())


async def test_who_is_cancelled_does_not_put_the_others_out_of_step(fork_server, order):
    for rounds in range(6):  # each cancels at another moment of the start
        starts = [asyncio.create_task(fork_server.start("server", order, Ear())) for _ in range(3)]
        for _ in range(rounds):
            await asyncio.sleep(0)
        starts[1].cancel()
        first, _, last = await asyncio.gather(*starts, return_exceptions=True)
        pids = first.pid, last.pid
        assert len({*pids}) == 2
        await asyncio.gather(first.kill(), last.kill())
        assert not any(map(psutil.pid_exists, pids))


async def test_clean_up_closes_it(order):
    fork_server = await ForkServer.open()
    await fork_server.start("server", order, Ear())
    await cleanup.clean_up()
    assert cleanup.leftovers().processes == []


async def test_all_die_with_the_process_that_started_them(order):
    parent = textwrap.dedent(f"""
        import asyncio, os, signal
        from sio_demo.chaos.stores import PARTS
        from sio_demo.chaos.forkserver import ForkServer

        order = {{"path": {order["path"]!r}, "parts": PARTS["none"]}}

        async def main():
            fork_server = await ForkServer.open()
            child = await fork_server.start("server", order, lambda message: None)
            print(fork_server._process.pid, child.pid, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

        asyncio.run(main())
    """)
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", parent], capture_output=True, text=True, timeout=60
    )
    for pid in map(int, done.stdout.split()):
        assert await ends(pid)


async def ends(pid):
    """Wait until a process that is no child of ours has ended; the system does not tell."""
    with suppress(psutil.NoSuchProcess):
        for _ in range(1000):
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
            await asyncio.sleep(0.01)
        return False
    return True

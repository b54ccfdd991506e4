"""ServerProcess runs a server elsewhere, kills it for good, and never leaves one behind."""

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
from sio_demo.errors import ClosedError, NotSeenError
from sio_demo.lab.link import Link
from sio_demo.lab.process import ServerProcess, kill_and_restart
from sio_demo.lab.waiting import wait_until

SOURCE = """
import asyncio, os, socketio

sio = socketio.AsyncServer(async_mode="aiohttp")

@sio.event
async def hello(sid, name):
    print("greeting", name)
    return f"{word} {name}"

@sio.event
async def halt(sid):
    print("here")
    await asyncio.Event().wait()

@sio.event
async def pid(sid):
    return os.getpid()
"""


@pytest.fixture
async def process(quiet):
    process = await ServerProcess.start(SOURCE, word="hello")
    yield process
    await process.close()


@pytest.fixture
async def caller(process, client):
    client.reconnection = False  # the process is killed; nobody waits for another
    await client.connect(process.url, transports=["websocket"])
    return client


async def test_client_reaches_it_and_its_lines_come_back_in_order(process, caller):
    assert [await caller.call("hello", name) for name in ("ann", "bob")] == [
        "hello ann",
        "hello bob",
    ]
    assert [await process.line(), await process.line()] == ["greeting ann", "greeting bob"]


async def test_link_goes_to_it(process, client):
    async with await Link.to(process.url) as link:
        await client.connect(link.url, transports=["websocket"])
        await client.call("hello", "ann")
        assert link.count("hello") == 1


async def test_it_is_replaced_by_a_new_process_to_which_the_client_reconnects(process, client):
    async with await Link.to(process.url) as link:
        await client.connect(link.url, transports=["websocket"])
        old = await client.call("pid")
        new = await kill_and_restart(process, link, client)
        assert not psutil.pid_exists(old)
        assert await client.call("pid") == new.pid != old == process.pid
        assert await client.call("hello", "ann") == "hello ann"
        await client.shutdown()
        await new.close()


async def test_it_is_killed_where_it_halts(process, caller):
    pid = await caller.call("pid")
    call = asyncio.create_task(caller.call("halt"))
    assert await process.line() == "here"
    await process.kill()
    call.cancel()
    assert not psutil.pid_exists(pid)
    assert repr(process) == "<ServerProcess ended>"
    await process.kill()


async def test_who_waits_for_a_line_learns_that_it_ended(process, caller):
    os.kill(await caller.call("pid"), signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(ClosedError, match="has ended"):
            await process.line()


async def test_line_that_does_not_come_is_an_error(process):
    with pytest.raises(NotSeenError, match="no line within"):
        await process.line(timeout=0.01)


async def test_source_that_fails_tells_why(quiet):
    with pytest.raises(ClosedError, match="ZeroDivisionError"):
        await ServerProcess.start("1 / 0")
    assert psutil.Process().children() == []


@pytest.mark.parametrize("arguments", [{"source": b"1"}, {"source": SOURCE, "word": object()}])
async def test_bad_arguments_are_refused_before_anything_starts(quiet, arguments):
    with pytest.raises(TypeError):
        await ServerProcess.start(**arguments)


async def test_clean_up_closes_it(process, caller):
    pid = await caller.call("pid")
    await cleanup.clean_up()
    assert not psutil.pid_exists(pid)
    assert cleanup.leftovers().processes == []


async def test_it_dies_with_the_process_that_started_it():
    parent = textwrap.dedent("""
        import asyncio, os, psutil, signal
        from sio_demo.lab.process import ServerProcess

        async def main():
            await ServerProcess.start(SOURCE, word="")
            [child] = psutil.Process().children()
            print(child.pid, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

        asyncio.run(main())
    """)
    code = f"SOURCE = {SOURCE!r}\n{parent}"
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    await ended(int(done.stdout))


async def ended(pid):
    """Wait until a process that is no child of ours has ended: the system sends no signal."""
    with suppress(psutil.NoSuchProcess):
        await wait_until(lambda: psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)

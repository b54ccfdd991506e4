"""clean_up() closes whatever is open, and nothing_left() names what is not."""

import asyncio
import gc
import socket
import sys
import time

import pytest
import socketio

from sio_demo import cleanup
from sio_demo.cleanup import clean_up, leftovers, nothing_left
from sio_demo.errors import LeftoverError
from sio_demo.lab import bench, resources
from sio_demo.lab.link import Link
from sio_demo.lab.packet import TO_CLIENT
from sio_demo.lab.server import serve

NOTHING = ([], [], [])


@pytest.fixture(autouse=True)
async def fresh(quiet):
    """Begin with nothing open, whatever an earlier test left."""
    await clean_up()
    yield
    await clean_up()


def new_client():
    return socketio.AsyncClient(
        reconnection_delay=0.01, randomization_factor=0, handle_sigint=False
    )


async def open_all(transports=("websocket",)):
    """Open a server, a link and a client as a notebook does; give the link and the client."""
    sio = socketio.AsyncServer(async_mode="aiohttp")
    server = await serve(sio)
    link = await Link.to(server)
    client = new_client()
    back = link.expect("CONNECT", TO_CLIENT)
    await client.connect(link.url, transports=list(transports))
    await back
    return link, client


async def cleaned(within=2.0):
    """Clean up, and check that it was quick and left nothing."""
    start = time.perf_counter()
    await clean_up()
    assert time.perf_counter() - start < within
    assert resources.opened == []
    await nothing_left()


# --- clean_up -----------------------------------------------------------------------------


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]])
@pytest.mark.parametrize("fault", ["none", "refuse", "black hole", "black hole after a cut"])
async def test_everything_is_closed_whatever_state_it_is_in(transports, fault):
    link, client = await open_all(transports)
    closed = link.refuse() if fault == "refuse" else link.black_hole()
    if fault != "none":
        await closed.__aenter__()
    if fault in ("refuse", "black hole after a cut"):
        await link.cut()
        for _ in range(20):  # the client is on its way back
            await asyncio.sleep(0.001)
    await cleaned()
    assert not client.connected
    assert link.closed


async def test_what_was_overwritten_is_closed_too(capsys):
    for _ in range(3):
        link, client = await open_all()
    del link, client
    gc.collect()
    assert len(resources.opened) == 6
    await cleaned()
    assert capsys.readouterr().out == "left over: 0 tasks, 0 sockets, 0 processes\n"


async def test_a_client_that_connected_to_the_server_itself_is_closed():
    server = await serve(socketio.AsyncServer(async_mode="aiohttp"))
    for transports in (["websocket"], ["polling"]):
        await new_client().connect(server.url, transports=transports)
    assert len(server.sids()) == 2
    await cleaned()


async def test_cleaning_up_again_is_harmless_also_for_clients_that_are_done():
    link, client = await open_all()
    async with link.refuse():
        await link.cut()
        await clean_up()
    await cleaned()
    assert not client.connected


async def test_a_client_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(bench, "FAREWELL", 0.05)
    client = new_client()

    async def hang():
        await asyncio.Event().wait()

    client.shutdown = hang
    await cleaned()
    del client.shutdown


async def test_what_was_closed_is_forgotten():
    link, client = await open_all()
    await client.shutdown()
    await link.close()
    assert link not in resources.opened
    assert len(resources.opened) == 1


async def test_what_stays_open_elsewhere_counts_only_until_the_next_clean_up():
    server = await serve(socketio.AsyncServer(async_mode="aiohttp"))
    with await half_closed(server):
        assert len(leftovers().sockets) == 1
        await clean_up()
        assert leftovers() == NOTHING


async def test_what_is_apart_does_not_count_also_where_a_port_was_ours_before():
    with resources.apart():
        server = await serve(socketio.AsyncServer(async_mode="aiohttp"))
    with socket.create_connection((server.host, server.port)) as connection:
        resources.ports |= {server.port, connection.getsockname()[1]}  # as closed ones leave them
        resources.register(server, server.port)
        assert len(leftovers().sockets) >= 2
        resources.forget(server)
        with resources.apart():
            resources.register(server, server.port)
        assert leftovers() == NOTHING
        await server.close()


async def half_closed(server):
    """Give a socket that was connected to a server which has closed."""
    sock = socket.create_connection((server.host, server.port))
    sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_recv(sock, 1)
    await server.close()
    return sock


# --- nothing_left -------------------------------------------------------------------------


async def test_what_was_there_before_does_not_count(quiet):
    task = asyncio.create_task(asyncio.Event().wait())
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=-1)
    await clean_up()
    assert leftovers() == NOTHING
    await nothing_left()
    task.cancel()
    process.stdin.close()
    await process.wait()


async def test_what_is_about_to_end_is_waited_for(capsys):
    _, client = await open_all()
    task = asyncio.create_task(asyncio.sleep(0.05))
    assert leftovers().tasks != []
    await client.shutdown()
    await asyncio.gather(*(resource.close() for resource in reversed(list(resources.opened))))
    await nothing_left()
    assert task.done()
    assert "left over: 0 tasks" in capsys.readouterr().out


async def forgotten():
    await asyncio.Event().wait()


async def test_a_forgotten_task_is_named(monkeypatch):
    monkeypatch.setattr(cleanup, "PATIENCE", 0.05)
    task = asyncio.create_task(forgotten())
    with pytest.raises(LeftoverError, match="1 tasks, 0 sockets, 0 processes") as error:
        await nothing_left()
    assert "- tasks: forgotten" in str(error.value)
    assert "await client.shutdown()" in str(error.value)
    task.cancel()


async def test_a_forgotten_server_link_and_client_are_named(monkeypatch):
    monkeypatch.setattr(cleanup, "PATIENCE", 0.05)
    link, _ = await open_all()
    port = link.url.rpartition(":")[2]
    with pytest.raises(LeftoverError) as error:
        await nothing_left()
    assert "- sockets: LISTEN on port" in str(error.value)
    assert any(
        line.startswith("- sockets: ESTABLISHED") and port in line
        for line in str(error.value).splitlines()
    )
    assert "- tasks: AsyncClient._read_loop_websocket" in str(error.value)


async def test_a_forgotten_socket_is_named(monkeypatch):
    monkeypatch.setattr(cleanup, "PATIENCE", 0.05)
    server = await serve(socketio.AsyncServer(async_mode="aiohttp"))
    with await half_closed(server):
        assert leftovers().tasks == []
        with pytest.raises(LeftoverError, match="0 tasks, 1 sockets, 0 processes"):
            await nothing_left()
    await nothing_left()


async def test_a_forgotten_process_is_named(monkeypatch):
    monkeypatch.setattr(cleanup, "PATIENCE", 0.05)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=-1)
    with pytest.raises(LeftoverError, match="0 tasks, 0 sockets, 1 processes") as error:
        await nothing_left()
    assert "- processes: python" in str(error.value)
    process.stdin.close()
    await process.wait()
    await nothing_left()


async def test_a_client_keeps_the_session_of_its_next_connection():
    """conftest.py sees to it in all tests, so that a session that is left open fails one."""
    client, newer = new_client().eio, object()

    class Old:
        closed = False

        async def close(self):
            client.http = newer  # as a connection does that is opened meanwhile

    client.http = Old()
    await client._reset()
    kept, client.http = client.http, None
    assert kept is newer

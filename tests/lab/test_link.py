"""A link passes every byte on, cuts connections in three ways, and leaves nothing behind."""

import asyncio
import gc
import random
import socket

import aiohttp
import pytest
import socketio

from sio_demo.errors import ClosedError, NotSeenError, SioDemoError, UsageError
from sio_demo.lab.connection import FILES, Connection
from sio_demo.lab.link import Link
from sio_demo.lab.packet import TO_CLIENT, TO_SERVER
from sio_demo.lab.server import serve
from sio_demo.lab.wire import Conversation

TRANSPORTS = [["websocket"], ["polling"], None]  # None: polling, upgraded to websocket


def port_of(link):
    return int(link.url.rpartition(":")[2])


async def test_a_link_makes_room_for_the_sockets_of_a_crowd(server):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES if hard < 0 else min(FILES, hard)
    for before, after in ((256, most), (most, most)):
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))
        try:
            async with await Link.to(server):
                assert resource.getrlimit(resource.RLIMIT_NOFILE) == (after, hard)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# --- bytes pass ---------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["tapped", "watched", "not tapped"])
async def test_megabytes_pass_unaltered_both_ways_at_once(peers, how):
    if how == "not tapped":
        await peers.relink(tap=False)
    never = peers.link.expect("never") if how == "watched" else None
    client, server = await peers.dial()
    chance = random.Random(1)
    up, down = chance.randbytes(3_000_000), chance.randbytes(3_000_000)
    for start in range(0, 3_000_000, 250_000):
        client.send(up[start : start + 250_000])
        server.send(down[start : start + 250_000])
    assert await server.has(len(up)) == up
    assert await client.has(len(down)) == down
    if never is not None:
        never.cancel()


@pytest.mark.parametrize("transports", TRANSPORTS)
async def test_a_real_client_talks_through_the_link(sio, link, client, transports):
    sio.on("double", lambda sid, n: 2 * n)
    client.on("hello", lambda name: f"hello {name}")
    back = link.expect("CONNECT", TO_CLIENT)
    await client.connect(link.url, transports=transports)
    sid = (await back).data["sid"]
    assert await client.call("double", 21) == 42
    assert await sio.call("hello", "you", to=sid) == "hello you"
    seen = [(p.direction, p.name, p.event, p.data) for p in link.packets]
    assert seen.index((TO_SERVER, "EVENT", "double", [21])) < seen.index(
        (TO_CLIENT, "ACK", None, [42])
    )
    assert (TO_CLIENT, "EVENT", "hello", ["you"]) in seen
    assert "undecoded" not in [packet.name for packet in link.packets]
    assert [packet.order for packet in link.packets] == list(range(1, len(seen) + 1))
    assert link.count("double") == 1


async def test_the_tap_sees_the_upgrade_from_polling_to_websocket(link, client):
    back = link.expect("CONNECT", TO_CLIENT)
    await client.connect(link.url)
    await back
    names = [(packet.transport, packet.name) for packet in link.packets]
    assert names[0] == ("polling", "open")
    assert [("websocket", name) for name in ("ping", "pong", "upgrade")] == names[1:4]


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_large_binary_events_pass_and_are_decoded(quiet, client, transport):
    sio = socketio.AsyncServer(async_mode="aiohttp", max_http_buffer_size=10**7)
    size = 1_500_000 if transport == "websocket" else 20_000  # python-engineio reads no more
    blob = random.Random(2).randbytes(size)
    sio.on("echo", lambda sid, data: data)
    async with await serve(sio) as server, await Link.to(server) as link:
        await client.connect(link.url, transports=[transport])
        assert await client.call("echo", blob) == blob
        [sent] = [p for p in link.packets if p.event == "echo"]
        [answer] = [p for p in link.packets if p.name == "BINARY_ACK"]
        assert (sent.name, sent.data, answer.data) == ("BINARY_EVENT", [blob], [blob])


@pytest.mark.parametrize("compress", [0, 15])
async def test_frames_that_aiohttp_compresses_are_decoded(sio, link, compress):
    heard = asyncio.Queue()
    sio.on("hello", lambda *args: heard.put_nowait(args))
    url = f"{link.url}/socket.io/?EIO=4&transport=websocket"
    session = aiohttp.ClientSession()
    async with session, session.ws_connect(url, compress=compress) as ws:
        assert (await ws.receive_str()).startswith("0{")
        await ws.send_str("40")
        assert (await ws.receive_str()).startswith("40{")
        assert ws.compress == compress
        await ws.send_str(f'42["hello","{"x" * 1000}"]')
        await heard.get()
        await ws.send_str("42")
        await ws.ping()
    names = [packet.name for packet in link.packets]
    assert names[:4] == ["open", "CONNECT", "CONNECT", "EVENT"]
    assert "undecoded" in names


async def test_the_end_of_one_stream_passes_and_the_other_goes_on(peers):
    client, server = await peers.dial()
    server.eof_received = lambda: True  # keep the other direction open
    client.eof_received = lambda: False
    client.send(b"question")
    client.transport.write_eof()
    assert await server.has(8) == b"question"
    server.send(b"answer")
    assert await client.has(6) == b"answer"
    server.transport.close()
    assert (await client.over, await server.over) == ("FIN", "FIN")
    await peers.link.idle()


async def test_a_reset_by_one_side_reaches_the_other(peers):
    for aborted in (0, 1):
        ends = await peers.dial()
        ends[aborted].reset()
        assert await ends[1 - aborted].over == "RST"
    await peers.link.idle()


@pytest.mark.parametrize("hole", [False, True])
async def test_a_slow_reader_slows_the_sender_down_and_nothing_piles_up(peers, hole):
    client, server = await peers.dial()
    server.transport.pause_reading()
    block = bytes(2**20)
    async with peers.link.black_hole() if hole else peers.link.latency(1e-6):
        for _ in range(40):
            client.send(block)
        passed = 40 * 2**20 - await client.stalled()
        assert passed < 24 * 2**20  # what fits into the sockets' buffers, and the link's 1 MiB
        server.transport.resume_reading()
        if hole:
            assert server.received == b""
    assert len(await server.has(40 * 2**20)) == 40 * 2**20


# --- opening and closing ------------------------------------------------------------------


async def test_closing_resets_what_is_open_and_a_second_close_is_harmless(peers):
    client, server = await peers.dial()
    await peers.link.close()
    assert (await client.over, await server.over) == ("RST", "RST")
    await peers.link.close()
    assert repr(peers.link) == "<Link closed>"
    with pytest.raises(ConnectionRefusedError):
        await peers.connect()


async def test_closing_does_not_wait_for_half_open_or_stuck_connections(peers):
    stuck, sending = await peers.dial()
    stuck.transport.pause_reading()
    sending.send(bytes(20 * 2**20))
    await sending.stalled()
    zombie = (await peers.dial())[1]
    await peers.link.cut("half-open")
    async with peers.link.black_hole():
        await peers.dial()
        await peers.link.close()
    assert await zombie.over == "RST"
    assert peers.link.connections == 0


async def test_a_client_that_connects_while_the_link_closes_is_not_left_behind(peers):
    for turns in range(6):
        connecting = asyncio.create_task(peers.connect())
        for _ in range(turns):
            await asyncio.sleep(0)
        await peers.link.close()
        await asyncio.wait([connecting])
        if connecting.exception() is None:
            assert await connecting.result().over == "RST"
        assert peers.link.connections == 0
        await peers.relink()


@pytest.mark.parametrize("how", ["reset", "close", "half-open"])
async def test_a_cut_while_a_client_connects_leaves_nothing_half_done(peers, how):
    for turns in range(10):
        connecting = asyncio.create_task(peers.connect())
        for _ in range(turns):
            await asyncio.sleep(0)
        cuts = await peers.link.cut(how)
        client = await connecting
        while not cuts:
            await asyncio.sleep(0)
            cuts = await peers.link.cut(how)
        assert cuts == 1
        await client.over


async def test_a_closed_link_refuses_every_fault_and_still_shows_what_it_saw(link, client):
    await client.connect(link.url, transports=["websocket"])
    await client.disconnect()
    await link.close()
    for use in (
        lambda: link.cut(),
        lambda: link.latency(1).__aenter__(),
        lambda: link.black_hole().__aenter__(),
        lambda: link.refuse().__aenter__(),
        lambda: link.cut_when("x").__aenter__(),
        lambda: link.__aenter__(),
    ):
        with pytest.raises(ClosedError, match=r"await Link\.to\(server\)"):
            await use()
    with pytest.raises(ClosedError):
        link.expect("x")
    assert link.packets[0].name == "open"


async def test_a_link_to_a_closed_server_is_refused(server):
    await server.close()
    with pytest.raises(ClosedError, match=r"await serve\(sio\)"):
        await Link.to(server)


async def test_when_the_server_is_unreachable_the_client_sees_a_reset(quiet):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    async with await Link.to(url) as link:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(link))
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        await link.idle()


async def test_a_client_that_is_gone_before_it_is_accepted_leaves_nothing(peers, monkeypatch):
    async def fail(*_):
        raise OSError("Invalid argument")

    monkeypatch.setattr(asyncio.get_running_loop(), "connect_accepted_socket", fail)
    client = await peers.connect()
    assert await client.over == "FIN"
    assert await peers.link.cut() == 0
    assert peers.link.connections == 0


@pytest.mark.parametrize(
    ("call", "seen"), [("connect_accepted_socket", "FIN"), ("create_connection", "RST")]
)
async def test_an_error_that_nobody_expects_is_reported_and_leaves_nothing(
    peers, quiet, monkeypatch, call, seen
):
    loop = asyncio.get_running_loop()
    real = getattr(loop, call)

    async def fail(factory, *address):
        if address[1:] == (port_of(peers.link),):
            return await real(factory, *address)
        raise RuntimeError("not foreseen")

    monkeypatch.setattr(loop, call, fail)
    client = await peers.connect()
    assert await client.over == seen
    await peers.link.idle()
    assert peers.link.connections == 0
    gc.collect()
    assert [str(context["exception"]) for context in quiet] == ["not foreseen"]
    quiet.clear()


async def test_idle_tells_which_connections_are_still_open(peers, monkeypatch):
    monkeypatch.setattr("sio_demo.lab.link.PATIENCE", 0.01)
    await peers.dial()
    with pytest.raises(NotSeenError, match="1 connections are still open"):
        await peers.link.idle()


async def test_the_repr_tells_how_many_connections_pass(peers):
    await peers.dial()
    assert repr(peers.link) == "<Link 1 connections>"


def kept_in_memory():
    """Count what belongs to connections: another test may have left some."""
    gc.collect()
    return sum(isinstance(o, (Connection, Conversation)) for o in gc.get_objects())


async def test_hundreds_of_cuts_leave_no_connection_task_or_memory(peers):
    tasks, before = len(asyncio.all_tasks()), kept_in_memory()
    for number in range(300):
        client, server = await peers.dial()
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await server.has(1)
        await peers.link.cut(("reset", "close")[number % 2])
    assert (peers.link.connections, len(asyncio.all_tasks())) == (0, tasks)
    assert len(peers.link.packets) == 300
    assert kept_in_memory() <= before


# --- wrong arguments ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "server",
    [
        None,
        5000,
        b"http://127.0.0.1:80",
        "127.0.0.1:80",
        "http://127.0.0.1",
        "http://127.0.0.1:0",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:port",
        "http://example.org:80",
        "https://127.0.0.1:443",
        "http://[",
    ],
)
async def test_a_link_to_something_else_is_refused_and_nothing_stays_open(quiet, server):
    with pytest.raises(UsageError, match=r"takes what `await serve\(sio\)` gave"):
        await Link.to(server)


@pytest.mark.parametrize(
    ("use", "says"),
    [
        (lambda link: link.cut("explode"), "take one of 'reset', 'close', 'half-open'"),
        (lambda link: link.cut(None), "take one of"),
        (lambda link: link.latency(0).__aenter__(), "seconds greater than 0, not 0"),
        (lambda link: link.latency(-1).__aenter__(), "seconds greater than 0, not -1"),
        (lambda link: link.latency("1").__aenter__(), "seconds greater than 0, not '1'"),
        (lambda link: link.latency(float("nan")).__aenter__(), "greater than 0, not nan"),
        (lambda link: link.latency(float("inf")).__aenter__(), "greater than 0, not inf"),
        (lambda link: link.latency(1, "up").__aenter__(), "take TO_SERVER, TO_CLIENT"),
        (lambda link: link.black_hole("up").__aenter__(), "take TO_SERVER, TO_CLIENT"),
        (lambda link: link.cut_when(3).__aenter__(), "Name the packet by an event"),
        (lambda link: link.cut_when("x", "up").__aenter__(), "take TO_SERVER, TO_CLIENT"),
        (lambda link: link.cut_when("x", how="bang").__aenter__(), "take one of"),
    ],
)
async def test_wrong_arguments_are_refused_in_words(peers, use, says):
    ends = await peers.dial()
    with pytest.raises(UsageError, match=says):
        await use(peers.link)
    ends[0].send(b"still here")
    assert await ends[1].has(10) == b"still here"
    assert peers.link._tap.expectations == []


@pytest.mark.parametrize(
    ("use", "says"),
    [
        (lambda link: link.expect(None), "Name the packet by an event"),
        (lambda link: link.expect("x", "down"), "take TO_SERVER, TO_CLIENT"),
        (lambda link: link.expect("x", timeout=0), "timeout is a number of seconds"),
        (lambda link: link.expect("x", timeout="1"), "timeout is a number of seconds"),
        (lambda link: link.count(["x"]), "takes the name of an event"),
    ],
)
async def test_wrong_arguments_about_packets_are_refused_in_words(link, use, says):
    with pytest.raises(UsageError, match=says):
        use(link)
    assert link._tap.expectations == []


async def test_a_link_without_a_tap_says_how_to_get_one(server):
    async with await Link.to(server, tap=False) as link:
        for use in (
            lambda: link.packets,
            lambda: link.count("x"),
            lambda: link.expect("x"),
        ):
            with pytest.raises(UsageError, match="tap=True"):
                use()
        with pytest.raises(SioDemoError):
            async with link.cut_when("x"):
                pytest.fail("a cut needs a tap")


async def test_a_link_to_several_servers_gives_each_a_connection_in_turn():
    sios = [socketio.AsyncServer(async_mode="aiohttp") for _ in range(2)]
    servers = [await serve(sio) for sio in sios]
    async with await Link.to(*servers) as link:
        clients = [socketio.AsyncClient(handle_sigint=False) for _ in range(4)]
        for client in clients:
            await client.connect(link.url, transports=["websocket"])
        assert [len(server.sids()) for server in servers] == [2, 2]
        for client in clients:
            await client.shutdown()
        await link.idle()
    for server in servers:
        await server.close()


async def test_a_link_to_nowhere_is_refused():
    with pytest.raises(UsageError, match="leads to a server"):
        await Link.to()

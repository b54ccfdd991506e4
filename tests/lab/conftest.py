"""A real server, a link in front of it, and a real client: each test gets its own.

For what happens below Socket.IO there is :class:`Peer`, a bare end of a TCP connection.
"""

import asyncio
import socket
import struct

import pytest
import socketio
from lab_kit import REQUEST, response_101, turns

from sio_demo.lab.bench import shut_down
from sio_demo.lab.link import Link
from sio_demo.lab.packet import TO_CLIENT, TO_SERVER
from sio_demo.lab.server import serve


class Peer(asyncio.Protocol):
    """One end of a TCP connection: keeps what it receives, and knows how it ended."""

    def __init__(self, on_made=lambda peer: None):
        self.transport = None
        self.received = bytearray()
        self.over = asyncio.get_running_loop().create_future()  # gets "FIN" or "RST"
        self._on_made = on_made
        self._change = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport
        self._on_made(self)

    def data_received(self, data):
        self.received += data
        self._change.set()

    def connection_lost(self, exc):
        self.over.set_result("RST" if isinstance(exc, ConnectionResetError) else "FIN")

    async def has(self, size):
        """Wait until at least so many bytes are here, and give them all."""
        while len(self.received) < size:
            self._change.clear()
            await self._change.wait()
        return bytes(self.received)

    def send(self, data):
        self.transport.write(data)

    def reset(self):
        """End the connection as a process that dies does: with a RST."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    async def stalled(self):
        """Wait until nothing leaves any more, and tell how many bytes could not."""
        unsent = -1
        while self.transport.get_write_buffer_size() != unsent:
            unsent = self.transport.get_write_buffer_size()
            await turns(200)
        return unsent


class Peers:
    """A TCP server of :class:`Peer`, a link to it, and clients that connect through the link."""

    def __init__(self):
        self._accepted = asyncio.Queue()
        self._all = []
        self._server = None
        self.link = None

    async def open(self):
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, "127.0.0.1", 0)
        await self.relink()

    async def relink(self, tap=True):
        """Put a new link in place of the old one."""
        if self.link is not None:
            await self.link.close()
        port = self._server.sockets[0].getsockname()[1]
        self.link = await Link.to(f"http://127.0.0.1:{port}", tap=tap)

    async def dial(self):
        """Open a connection through the link; give the client's end and the server's."""
        client = await self.connect()
        return client, await self._accepted.get()

    async def websocket(self):
        """Give the two bare ends of a connection through a link, after a WebSocket handshake."""
        client, server = await self.dial()
        client.send(REQUEST)
        await server.has(len(REQUEST))
        server.send(response_101())
        await client.has(len(response_101()))
        client.received.clear()
        server.received.clear()
        return {TO_SERVER: (client, server), TO_CLIENT: (server, client)}

    async def connect(self):
        """Open a connection to the link."""
        port = int(self.link.url.rpartition(":")[2])
        _, client = await asyncio.get_running_loop().create_connection(Peer, "127.0.0.1", port)
        self._all.append(client)
        return client

    async def close(self):
        await self.link.close()
        self._server.close()
        for peer in self._all:
            if not peer.over.done():
                peer.transport.abort()
        await asyncio.gather(*(peer.over for peer in self._all))

    def _accept(self):
        return Peer(self._on_accepted)

    def _on_accepted(self, peer):
        self._all.append(peer)
        self._accepted.put_nowait(peer)


class Shop:
    """A server that is paid, over a real client: notes what each side saw."""

    def __init__(self, sio, client):
        self.payments, self.acks, self.news = [], [], []
        self.connects = asyncio.Queue()
        sio.on("pay", self._on_pay)
        client.on("news", self.news.append)
        client.on("connect", lambda: self.connects.put_nowait(client.get_sid()))

    async def reconnected(self):
        """Wait until the client knows that it is back."""
        await self.connects.get()  # the first time
        return await self.connects.get()

    async def pay(self, client, amount):
        await client.emit("pay", amount, callback=self.acks.append)

    def _on_pay(self, sid, amount):
        self.payments.append(amount)
        return f"paid {amount}"


@pytest.fixture
async def quiet():
    """Fail the test if its event loop reports an error, or if it leaves a task behind."""
    loop = asyncio.get_running_loop()
    errors = []
    loop.set_exception_handler(lambda _, context: errors.append(context))
    before = asyncio.all_tasks()
    yield errors
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        await asyncio.wait(left, timeout=10)
    assert [task for task in left if not task.done()] == []
    assert errors == []


@pytest.fixture
def sio(quiet):
    """A python-socketio server that nobody serves yet."""
    return socketio.AsyncServer(async_mode="aiohttp")


@pytest.fixture
async def server(sio):
    """The server, listening."""
    async with await serve(sio) as server:
        yield server


@pytest.fixture
async def client(quiet):
    """A client that is not connected yet, and comes back within milliseconds."""
    client = socketio.AsyncClient(
        reconnection_delay=0.01, randomization_factor=0, handle_sigint=False
    )
    yield client
    await shut_down(client)


@pytest.fixture
async def link(server, client):
    """A link to the server; it closes before the client does: polling clients hang up slowly."""
    async with await Link.to(server) as link:
        yield link


@pytest.fixture
async def peers(quiet):
    """Bare TCP ends on both sides of a link."""
    peers = Peers()
    await peers.open()
    yield peers
    await peers.close()


@pytest.fixture
def shop(sio, client):
    """What the client pays the server, and what each of them hears of it."""
    return Shop(sio, client)

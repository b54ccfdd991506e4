"""What tests of the link share: bytes made without a client or server, and ways to wait."""

import asyncio
from functools import cache

from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import FrameProtocol

from sio_demo.lab.packet import TO_CLIENT, TO_SERVER

DEFLATE = "permessage-deflate"
REQUEST = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
    b"Host: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def response_101(extensions=""):
    """Give the server's consent to speak WebSocket."""
    header = f"Sec-WebSocket-Extensions: {extensions}\r\n" if extensions else ""
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
        f"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{header}\r\n"
    ).encode()


def request(method="GET", body="", target="/socket.io/?EIO=4&transport=polling&sid=x"):
    """Give a long-polling request."""
    length = f"Content-Length: {len(body.encode())}\r\n" if method == "POST" else ""
    return f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{length}\r\n{body}".encode()


def response(body, status="200 OK", encoding=""):
    """Give the answer to a long-polling request."""
    body = body.encode() if isinstance(body, str) else body
    header = f"Content-Encoding: {encoding}\r\n" if encoding else ""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{header}\r\n"
    return head.encode() + body


def sender(direction, extensions=""):
    """Give what frames the messages of one side, as that side's WebSocket library does."""
    deflate = []
    if extensions:
        deflate = [PerMessageDeflate()]
        deflate[0].finalize(extensions)
    return FrameProtocol(direction == TO_SERVER, deflate)


@cache
def frame(direction, event):
    """Give an event as bytes; the same bytes each time, though a client masks them by chance."""
    return bytes(sender(direction).send_data(f'42["{event}"]'))


async def turns(number=50):
    """Let the event loop go on: whatever can arrive at once, arrives."""
    for _ in range(number):
        await asyncio.sleep(0)


async def connect(link, client, transports=("websocket",)):
    """Connect a real client, and give its sid."""
    back = link.expect("CONNECT", TO_CLIENT)
    await client.connect(link.url, transports=list(transports))
    return (await back).data["sid"]

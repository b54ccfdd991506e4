"""Examines a Socket.IO server that runs somewhere, from outside, as one more client.

It sends no event: it connects, reads what every client hears, cuts its own connection, and counts.
"""

import asyncio
import ipaddress
import json
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
import socketio
from aiohttp.abc import AbstractResolver, ResolveResult

from .errors import NotSeenError, UsageError
from .lab import HOST
from .lab.bench import SILENT, shut_down
from .lab.link import Link
from .lab.waiting import wait_until

SESSIONS = 8  # over polling, to see whether every request of one finds its server
PATIENCE = 10.0  # seconds for an answer, or to come back after a cut
PORTS = {"http": 80, "https": 443}
SOON = {"reconnection_delay": 0.1, "randomization_factor": 0}
REFUSED = "Give it what your own client does: --auth, --namespace."
BLOCKED = "If a proxy passes no WebSockets, polling is left, which needs sticky sessions (L13)."
COPIES = "If that is one message, the server sends copies: look at D17 and D18 in notebook 09."
AGAIN = "It came again after a reconnect: a greeting or a replay (D11, D20, D21 in notebook 09)."
ONCE = "If your page shows it more often, its listeners add up (D1): `sio-demo check` finds them."


class Target(NamedTuple):
    url: str  # http or https, as a client has it
    namespace: str = "/"
    auth: Any = None
    path: str = "socket.io"

    def polling(self, sid: str = "") -> str:
        query = "EIO=4&transport=polling" + (f"&sid={sid}" if sid else "")
        return f"{self.url.rstrip('/')}/{self.path.strip('/')}/?{query}"


class Finding(NamedTuple):
    """One thing that was seen: whether it is well, what was counted, and what it means."""

    is_well: bool
    seen: str
    advice: str = ""

    def __str__(self) -> str:
        lines = [f"{'✔' if self.is_well else '✘'} {self.seen}", self.advice]
        return "\n    ".join(filter(None, lines))


async def examine(
    target: Target, event: str | None = None, cuts: int = 3, seconds: float = 1
) -> AsyncIterator[Finding]:
    """Yield what shows from outside, each finding as soon as it is made.

    Copies are counted of this event, or of all. The own connection is reset `cuts` times, and each
    is listened to for so many seconds. UsageError says that the URL is none of a server.
    """
    parts = urlsplit(target.url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise UsageError(f"The URL begins with http:// or https://, unlike {target.url!r}.")
    async with _browser() as http:
        answer = await _handshake(http, target)
        if not isinstance(answer, Finding):
            await _end(http, target, answer["sid"])
    if isinstance(answer, Finding):
        yield answer
        if not answer.is_well:
            return
    else:
        for finding in _told(answer):
            yield finding
        yield await _sticky(target)
    async with AsyncExitStack() as stack:
        async for finding in _connected(target, event, cuts, seconds, stack):
            yield finding


# --- over polling, as a browser begins


def _told(answer: dict[str, Any]) -> Iterator[Finding]:
    interval, timeout = answer["pingInterval"] / 1000, answer["pingTimeout"] / 1000
    yield Finding(
        True,
        f"ping every {interval:g} s, {timeout:g} s to answer",
        f"A line that falls silent is noticed within {interval + 2 * timeout:g} s; what is sent "
        "meanwhile is lost, or goes to a session that nobody sees (L1, L2, D16).",
    )
    limit, others = answer.get("maxPayload", "not said"), answer.get("upgrades", [])
    yield Finding(
        True,
        f"transports: {', '.join(['polling', *others])}; maxPayload: {limit} bytes",
        "A larger message ends the connection (L22).",
    )


def _browser() -> aiohttp.ClientSession:
    """Return a session that keeps cookies, and makes a TCP connection for each request."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True),
        cookie_jar=aiohttp.CookieJar(unsafe=True),  # also of a server that has no name
        timeout=aiohttp.ClientTimeout(PATIENCE),
    )


async def _handshake(http: aiohttp.ClientSession, target: Target) -> dict[str, Any] | Finding:
    """Return what a server tells a client that opens a session; or why it does not."""
    try:
        async with http.get(target.polling()) as response:
            status, text = response.status, (await response.text(errors="replace"))[:2000]
    except (aiohttp.ClientError, TimeoutError) as error:
        why = "Is it running, and is this its port? Does a proxy let you through?"
        return Finding(False, f"{target.url} does not answer: {error or 'no answer'}", why)
    if status == 200 and text.startswith("0{"):
        answer: dict[str, Any] = json.loads(text[1:].partition("\x1e")[0])
        return answer
    seen = f"{target.polling()} answers {status}: {text[:100]!r}"
    if text.partition(":")[2].startswith("0{"):  # behind its length
        return Finding(False, seen, "It speaks Socket.IO 2, and clients of today do not.")
    if "transport" in text.lower():
        return Finding(True, "polling is not offered", "Then no sticky sessions are needed.")
    return Finding(False, seen, "That is no Socket.IO server. Is it at another path (--path)?")


async def _end(http: aiohttp.ClientSession, target: Target, sid: str) -> str:
    """End a session, as a client does that goes; return what was answered, if it was no yes."""
    try:
        async with http.post(target.polling(sid), data="1") as response:
            text = (await response.text(errors="replace"))[:60].replace(sid, "...")
            return "" if response.status == 200 else f"{response.status} {text}"
    except (aiohttp.ClientError, TimeoutError) as error:
        return f"{error or 'no answer'}"


async def _sticky(target: Target) -> Finding:
    """See whether the second request of a session, on a new TCP connection, is known."""
    refusals = Counter[str]()
    for _ in range(SESSIONS):
        async with _browser() as http:
            answer = await _handshake(http, target)
            if isinstance(answer, Finding):
                return answer
            refusals[await _end(http, target, answer["sid"])] += 1
    known = refusals.pop("", 0)
    seen = f"polling: {known} of {SESSIONS} sessions were known at their second request"
    if not refusals:
        return Finding(True, seen)
    seen += "".join(f"; {count} times {answer}" for answer, count in refusals.items())
    return Finding(False, seen, "Several workers without sticky sessions? (L13, notebook 08)")


# --- over a connection that is cut


class _Through(AbstractResolver):
    """Leads every name to a link: so the URL, the Host header and the certificate are the real."""

    def __init__(self, link: Link) -> None:
        self._port = link.port

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        family, port = socket.AF_INET, self._port
        return [ResolveResult(hostname=host, host=HOST, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        """Keep nothing."""


async def _connected(
    target: Target, event: str | None, cuts: int, seconds: float, stack: AsyncExitStack
) -> AsyncIterator[Finding]:
    parts, space = urlsplit(target.url), target.namespace
    host = parts.hostname or ""
    link = await Link.to_host(host, parts.port or PORTS[parts.scheme])
    stack.push_async_callback(link.close)
    connector = aiohttp.TCPConnector(resolver=_Through(link))
    http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
    sessions: list[int] = []  # an entry for each
    reasons: list[Any] = []  # why it was not let in
    received: list[tuple[str, str, int]] = []  # event, arguments, connection
    url = link.url if _is_address(host) and parts.scheme == "http" else target.url
    for transport in ("websocket", "polling"):
        client = socketio.AsyncClient(
            http_session=http, logger=SILENT, engineio_logger=SILENT, handle_sigint=False, **SOON
        )
        stack.push_async_callback(shut_down, client)

        def note(name: str, *data: Any) -> None:
            received.append((name, repr(data), len(sessions)))

        client.on("connect", lambda: sessions.append(1), namespace=space)
        client.on("connect_error", reasons.append, namespace=space)
        client.on("*", note, namespace=space)
        try:
            await client.connect(
                url,
                transports=[transport],
                auth=target.auth,
                namespaces=[space],
                socketio_path=target.path,
                wait_timeout=PATIENCE,
            )
        except socketio.exceptions.ConnectionError as error:
            if "namespaces" in str(error):  # the connection was there
                yield Finding(False, f"{space} is refused: {reasons[-1]}", REFUSED)
                return
            yield Finding(False, f"{transport}: {error}", BLOCKED)
        else:
            yield Finding(True, f"{transport}: connected")
            break
    else:
        return
    cuts = cuts if transport == "websocket" else 0  # polling goes on over another TCP connection
    yield await _cut(link, sessions, cuts, seconds)
    for finding in _copies(received, event):
        yield finding


async def _cut(link: Link, sessions: list[int], cuts: int, seconds: float) -> Finding:
    """Listen, reset the connection, and see whether a new session follows; again and again."""
    took: list[float] = []
    await asyncio.sleep(seconds)
    for _ in range(cuts):
        before, number = time.monotonic(), len(sessions)
        await link.cut()
        try:
            await wait_until(lambda: len(sessions) > number, PATIENCE)  # noqa: B023
        except NotSeenError:
            seen = f"after cut {len(took) + 1} no session followed within {PATIENCE:g} s"
            return Finding(False, seen, "Is the token used up, or its time over? (L15)")
        took.append(time.monotonic() - before)
        await asyncio.sleep(seconds)
    seen = f"came back after {cuts} of {cuts} cuts"
    return Finding(True, seen + (f", the slowest in {max(took):.2f} s" if took else ""))


def _copies(received: list[tuple[str, str, int]], event: str | None) -> Iterator[Finding]:
    """Yield, for each event, how often the same came on one connection, and on several."""
    names = dict.fromkeys(name for name, *_ in received if event in (None, name))
    if event is not None and not names:
        advice = f"Let the server send one while this listens: --event {event} --seconds 30"
        yield Finding(True, f"{event!r}: none came", advice)
    for name in names:
        ours = [each for each in received if each[0] == name]
        alike = max(Counter(ours).values())
        spread = max(len({at for _, same, at in ours if same == data}) for _, data, _ in ours)
        seen = f"{name!r}: {len(ours)} packets, {len({data for _, data, _ in ours})} different"
        seen += f"; the same came up to {alike} times on one connection, on {spread} connections"
        advice = COPIES if alike > 1 else AGAIN if spread > 1 else ONCE
        yield Finding(event is None or alike == 1, seen, advice)


def _is_address(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False

"""A web page in Node.js: the real ``socket.io-client``, and the reader's JavaScript."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ..errors import NotSeenError, SioDemoError
from ..lab.node import NodeClient
from .bench import ExerciseBench
from .reader import LIMIT, StoppedError

_PAGE_JS = Path(__file__).with_name("page.js")
_PROGRAM = """page.program = (async () => { %s
; page.mount = typeof mount === "undefined" ? null : mount; })();
page.socket.connect();
await page.program; null"""

_node: NodeClient | None = None  # one for all checks: to start it costs more than most of them
_loop: asyncio.AbstractEventLoop | None = None


class Page:
    """The page with the reader's program on it; made by :func:`open_page`."""

    def __init__(self, js: NodeClient) -> None:
        self.rows: dict[str, list[int]] = {}  # the calls of each name in ``page.calls``
        self.strange: list[str] = []  # what the reader's rows, all but the last, got wrongly
        self.listeners: list[int] = []  # for the event, at each `count`
        self._js = js

    async def __call__(self, code: str) -> Any:
        """Run JavaScript of the check's; StoppedError says what the reader's has done."""
        try:
            return await self._js.run(code, timeout=LIMIT)
        except NotSeenError:
            raise StoppedError(
                "Your program does not come to an end: it loops, or awaits what never comes."
            ) from None

    async def count(self, *right: str) -> None:
        """Add to each row the calls since the last time, with these arguments if all is well."""
        calls: dict[str, list[str]] = await self("page.taken()")
        for row, arguments in calls.items():
            self.rows.setdefault(row, []).append(len(arguments))
            if row != [*calls][-1]:
                self.strange += [each for each in arguments if each not in right]
        self.listeners.append(await self("page.added()"))

    @property
    def added(self) -> int:
        """The listeners added since the first `count`; one may come and go with a connection."""
        return max(self.listeners[-1] - self.listeners[0], 0)


@asynccontextmanager
async def open_page(bench: ExerciseBench, exercise: str, program: str) -> AsyncIterator[Page]:
    """Make a socket, run what ``page.js`` has around the exercise's program, it, and connect."""
    page = Page(await shared_node())
    opened = bench.expect_client()
    try:
        url = f"globalThis.url = {json.dumps(bench.link.url)};\n"
        await page(f"{url}{_PAGE_JS.read_text()}\naround.{exercise}(); null")
        await page(_PROGRAM % program)
        try:
            await opened
        except NotSeenError:
            raise StoppedError("The page has not connected.") from None
        yield page
        await page("sockets.forEach((made) => made.disconnect()); null")
    except BaseException:
        opened.cancel()
        await close()  # whatever still runs in there
        raise


async def shared_node() -> NodeClient:
    """Return the Node.js that the exercises share; start it if there is none that answers."""
    global _node, _loop
    loop = asyncio.get_running_loop()
    try:
        if _node is not None and _loop is loop:
            await _node.run("1", timeout=LIMIT)
            return _node
    except SioDemoError:  # it hangs, has ended, or was closed by clean_up
        await close()
    _node, _loop = await NodeClient.start(), loop
    return _node


async def close() -> None:
    """End the Node.js that the exercises share; a second call does nothing."""
    global _node
    js, _node = _node, None
    if js is not None and _loop is asyncio.get_running_loop():
        await js.close()

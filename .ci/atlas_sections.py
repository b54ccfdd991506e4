"""Write the index and the sections of notebook 09 from :mod:`sio_demo.causes` and the programs.

The numbers come from the outputs that the notebook has stored: first run it, then this. The code
comes out of the programs themselves; :mod:`sio_demo.atlas.kit` says how it is marked there.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import nbformat

from sio_demo.atlas import Cause
from sio_demo.causes import BY_THEME, SYMPTOMS
from sio_demo.causes import cause as find

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "09_atlas_of_causes.ipynb"
INDEX, FIRST, LAST = "## 1. What do you see?", "## 4. The causes", "## What you can now do"
COUNTERS = ("listeners", "live sids", "packets", "calls", "effects")
TOGETHER = 4  # causes with one signature, from which on a table tells them apart
Measured = dict[str, tuple[list[int], list[int]]]


# --- the code: the reproduction's own lines, without the branch that does not run

MARK = re.compile(r"( *)(#|//) (?:>>>|<<<)(?: (.*))?")
BRANCH = re.compile(r"( *)if \(?(not |!)?fixed(?: and (.+?))?(?:\) \{|:)")
ELSE = re.compile(r" *(?:else:|\} else \{)")
ONE_LINE = re.compile(r"( *if \()fixed && (.+;)")  # JavaScript's, without braces
EITHER = re.compile(
    r"fixed \? (.+?) : (.+?)(?=;$)|\(fixed \? (.+?) : (.+?)\)(?=,$)|"
    r"(?<==)(\w+) if fixed else (\w+)|(?<== )(.+) if fixed else (.+)"
)
COMMENT = re.compile(r"(?:#|//) ")
STARTS = re.compile(r"(?:#|//) |@|(?:async )?def |async function|function")
FOR_READERS = [  # the bench's names, and what only types and linters need
    (r"  # (?:type|noqa).*", ""),
    (r"(?<=\w): (?:dict|list|set|Any|str|int)\b(?:\[[\w, ]+\])?(?=[,)=]| =)", ""),
    (r" -> [\w\[\], ]+:$", ":"),
    (r"(?<=[ (]auth) = (?=\w+\):)", "="),
    (r"\b_(?=sid|environ|reason)", ""),
    (r"\bb\.connect\((\w+)", r"\1.connect(url"),
    (r"\bb\.(?=sio\b)|\beach\.(?=sio\b)", ""),
    (r"\bb\.link\.url\b", "url"),
    (r"^sio = sio$", "from server import sio  # the one that has the clients"),
    (r", transports=\[\"websocket\"\]", ""),
    (r"\bnew_client\(", "socketio.AsyncClient("),
    (r"\{ \.\.\.fast, |(?<=url), fast", lambda match: "{ " if "{" in match[0] else ""),
]


def language(cause: Cause) -> str:
    """Return the language of the lines that are shown: ``"js"`` or ``"python"``."""
    return "js" if any("// >>>" in source for source in _sources(cause)) else "python"


def code(cause: Cause, fixed: bool) -> str:
    """Return the lines of a reproduction that matter, as they run without or with the fix."""
    lines = [line for source in _sources(cause) for line in _shown(source)]
    text = "\n".join(decided(lines, fixed))
    for pattern, words in FOR_READERS:
        text = re.sub(pattern, words, text, flags=re.MULTILINE)
    lines: list[str] = []
    for line in filter(str.strip, text.splitlines()):
        if lines and STARTS.match(line):
            if COMMENT.match(lines[-1]) and COMMENT.match(line):
                lines.pop()  # nothing runs below it
            elif not lines[-1].startswith(("# ", "// ", "@")):
                lines.append("")
        lines.append(line)
    while COMMENT.match(lines[-1]):
        del lines[-2:]
    return "\n".join(lines)


def _sources(cause: Cause) -> list[str]:
    """Return the sources of a program and of what it uses of its module."""
    program = inspect.unwrap(cause.reproduce)
    used = [program.__globals__.get(name) for name in program.__code__.co_names]
    ours = [each for each in used if getattr(each, "__module__", "") == program.__module__]
    helpers = [inspect.getsource(each) for each in ours if inspect.isfunction(each)]
    return [*(each for each in used if isinstance(each, str)), inspect.getsource(program), *helpers]


def _shown(source: str) -> Iterator[str]:
    """Yield the marked lines of a source, each region without its indentation."""
    region: list[str] | None = None
    indent = 0
    for line in [*source.splitlines(), "# <<<"]:
        mark = MARK.fullmatch(line)
        if region is not None and (mark or (line.strip() and _indent(line) < indent)):
            yield from textwrap.dedent("\n".join(region)).splitlines()
            region = None
        if mark and ">>>" in line:
            indent = len(mark[1])
            region = [f"{mark[1]}{mark[2]} {mark[3]}"] if mark[3] else []
        elif region is not None and not line.endswith(" rig"):
            region.append(line)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def decided(lines: list[str], fixed: bool) -> Iterator[str]:
    """Yield the lines that run, with `fixed` decided."""
    rest = iter([*lines, ""])
    line = next(rest, None)
    while line is not None:
        found = BRANCH.fullmatch(line)
        if not found:
            if one := ONE_LINE.fullmatch(line):
                line = one[1] + one[2] if fixed else ""
            line = EITHER.sub(lambda m: next(filter(None, m.groups()[not fixed :: 2])), line)
            line = re.sub(r"\bnot fixed\b", str(not fixed), line)
            yield re.sub(r"\bfixed\b", str(fixed), line)
            line = next(rest, None)
            continue
        indent, negated, more = found.groups()
        branches: list[list[str]] = [[], []]
        at = 0
        while (line := next(rest, None)) is not None:
            if not line.strip() or _indent(line) > len(indent):
                branches[at].append(line)
            elif at == 0 and ELSE.fullmatch(line):
                at = 1
            else:
                break
        if line is not None and line.strip() == "}":
            line = next(rest, None)
        runs = fixed != bool(negated)
        kept = list(decided(branches[not runs], fixed))
        if more and runs:
            yield f"{indent}if {more}:"
            yield from kept
        else:
            yield from textwrap.indent(textwrap.dedent("\n".join(kept)), indent).splitlines()


# --- the numbers: what the notebook has stored


def measured(cells: list[nbformat.NotebookNode]) -> Measured:
    """Return the counters of every cause before and after its fix, from the stored outputs."""
    outputs = [out for cell in cells for out in cell.get("outputs", [])]
    printed = [out.get("text") or out.data.get("text/plain", "") for out in outputs]
    [signatures] = [text for text in printed if f"\n{', '.join(COUNTERS)}:\n" in text]
    [repaired] = [text for text in printed if text.startswith("after the fix")]
    before = dict(re.findall(r"([DL]\d+\w?) (\d(?: \d)+)", signatures))
    after = {
        letter: counts
        for counts, letters in re.findall(r"^(\d(?: \d)+)  (.+)$", repaired, re.MULTILINE)
        for letter in letters.split()
    }
    return {  # a myth has one
        letter: (
            [int(each) for each in before.get(letter, counts).split()],
            [int(each) for each in counts.split()],
        )
        for letter, counts in after.items()
    }


# --- the text


def heading(cause: Cause) -> str:
    """Return the heading of a section."""
    return f"{cause.letter} {cause.title}"


def link(cause: Cause) -> str:
    """Return a link to the section of a cause, as Markdown."""
    return f"[{cause.letter}](#{heading(cause).replace(' ', '-')})"  # as JupyterLab names it


def index() -> str:
    """Return the cell that leads from what people say to the sections and the lessons."""
    parts = [INDEX, OPENING]
    for words, symptoms in SYMPTOMS.items():
        rows = [f"| {said} | {' '.join(map(link, causes))} |" for said, causes in symptoms.items()]
        rows += LESSONS.get(words, "").splitlines()
        parts.append("\n".join([f"| {words} | look at |", "| --- | --- |", *rows]))
    text = "\n\n".join([*parts, RULES])
    return re.sub(r"\b[DL]\d+\b(?!\]|-)", lambda letter: link(find(letter[0])), text)


OPENING = """\
Choose the table, and in it the sentence that is nearest to what your users say. A printed text is \
under *The console or a log says*. A letter leads to its section. (If JupyterLab stops short of it \
the first time, click again.)"""

LESSONS = {  # what no single line of code causes; by the heading of its table
    "It never arrives": """\
| A user who was away is to get everything later, in order and once: history, replay, offsets | \
[07b](07b_server_to_client_and_chaos.ipynb) |
| Messages are lost at each deployment, or booked twice | [07a](07a_delivery_guarantees.ipynb) for \
what clients send, [07b](07b_server_to_client_and_chaos.ipynb) for what they receive |
| An emit of Celery, or of another process, arrives, and its callback never runs | Such an emitter \
only writes to the queue, and [hears no answer]\
(https://github.com/miguelgrinberg/Flask-SocketIO/issues/1910): let the client answer with an \
event, or make that process a client |
| `io.to(room).emit` with an acknowledgement times out at once, or hears nothing | A broadcast \
needs a time to wait: [`io.to(room).timeout(5000).emit(...)`]\
(https://socket.io/docs/v4/broadcasting-events/#with-acknowledgements) |
| With gunicorn's `preload_app` messages to a room rarely arrive | \
[08, section 6](08_scale_out.ipynb), at its end |
| The log shows that the event arrives, and my handler is never called | Its name, its namespace \
or the object that it is registered on is another, or it takes other arguments: \
[10, section 2](10_check_your_own_code.ipynb) counts it |""",
    "It arrives late, in the wrong order, or wrong": """\
| With `retries` every emit waits for the answer to the one before | \
[07a, section 6](07a_delivery_guarantees.ipynb) |
| Nothing is lost, but it comes later and later | More is sent than the line carries, and the rest \
waits in order: send less, or the next after the answer to the last; `volatile` (L12) skips what \
can't leave at once |
| Behind a proxy it stays with polling, and is slow | See `Unexpected response code` |
| A `Date` arrives as a string, a `Map` as `{}` | A message is JSON, apart from binary data: \
convert what JSON doesn't know |""",
    "It does not connect, or not again": """\
| After a restart the server falls over again: everyone comes back at once, a reconnect storm | \
[04b, section 4](04b_dead_connections.ipynb) |
| It has stopped trying to reconnect: `reconnectionAttempts`, `reconnect_failed` | \
[04b, section 3](04b_dead_connections.ipynb) |
| The page hears neither `connect` nor `connect_error`, and waits | \
[03, section 6](03_listeners_outside_connect.ipynb) |
| It reconnects every minute behind nginx or a load balancer (AWS), drops in a background tab, or \
a mobile app or a laptop wakes up and is connected in name only | \
[04b, section 2](04b_dead_connections.ipynb) |""",
    "The wrong people are there, or hear it": """\
| Users can see what is meant for another user | [04a, section 4]\
(04a_state_after_a_reconnect.ipynb) |
| I left a room, and still receive | [04a, section 4](04a_state_after_a_reconnect.ipynb): an emit \
without a room goes to everyone. Or another room, or another session, of this user receives it |
| A user has logged out, or the token has expired, and the user still receives | \
[03, section 6](03_listeners_outside_connect.ipynb) |
| After a log-out and a new log-in, messages still go out as the first user | The clients for \
[Java](https://github.com/socketio/socket.io-client-java/issues/132) and \
[Dart](https://github.com/rikulo/socket.io-client-dart/issues/426) reuse the connection to an \
address, and its options, unless told to `forceNew`. In any client, disconnect at the log-out, and \
let `auth` be a function ([03, section 6](03_listeners_outside_connect.ipynb)) |
| I close one of my tabs, and appear offline; the number of users online is wrong, or stays \
after a crash of the server; a short drop, or a tab in the background, ends the user's game, or \
announces that they left | [04b, section 2](04b_dead_connections.ipynb) |
| Every component on the page handles the message, each sounds its bell | Each has a listener, \
and rightly. What is to happen once belongs in one place, a module or a store, from which all read |
| Staging and production share a Redis, and each gets the other's messages | Pub/sub \
[ignores the number of the database](https://redis.io/docs/latest/develop/pubsub/): \
another `key` (socket.io's adapter) or `channel` (python-socketio's manager) for each |""",
    "The console or a log says": """\
| `io server disconnect`, or another reason of `disconnect` | \
[04b, section 1](04b_dead_connections.ipynb) |
| 400, `Session ID unknown`, under load, though nginx has `ip_hash` | nginx takes a server that \
did not answer out of the group, after one failure and for ten seconds, and its clients meet \
another: [`max_fails`](https://nginx.org/en/docs/http/ngx_http_upstream_module.html#max_fails) |
| `Unexpected response code: 400`, or `websocket error`, behind nginx or another proxy | The proxy \
must pass on `Upgrade` and `Connection`, by HTTP/1.1: \
[Socket.IO's examples](https://socket.io/docs/v4/reverse-proxy/) |
| `The WebSocket transport is not available` | The Python server needs a package for it, as the \
log goes on to say: until then it stays with polling |
| 404 for `/socket.io/` with FastAPI or Starlette | Serve `socketio.ASGIApp(sio, app)` in place of \
`app`. Or `app.mount("/ws", socketio.ASGIApp(sio, socketio_path="/ws/socket.io"))`, with that \
`path` in the client too ([since Starlette 0.33]\
(https://github.com/miguelgrinberg/python-engineio/issues/341) the server sees the whole path) |
| `Invalid namespace`, or "namespaces failed to connect" | The server does not have it: \
`io.of("/chat")`, in Python a handler with `namespace="/chat"` |
| `Unsupported protocol version`, `trying to reach a Socket.IO server in v2.x`; or no text, but \
it never connects, or drops again and again, after an update | \
Client and server don't fit: the tables of \
[Socket.IO](https://socket.io/docs/v4/client-installation/#version-compatibility) and \
[python-socketio]\
(https://python-socketio.readthedocs.io/en/stable/intro.html#version-compatibility) |
| `timeout reached`, or `only 0 responses`, of `fetchSockets` and the like | It asks every server, \
and one does not answer: it is dead, blocked, or of another version |
| `attached to a different loop` | Make and use a server or client in one `asyncio.run`; from a \
thread, L25 |
| `callback is not a function` | The sender asked for no acknowledgement, or sent fewer arguments |
| Another code or text | [Socket.IO's list]\
(https://socket.io/docs/v4/troubleshooting-connection-issues/) |""",
    "I suspect this, or want to know": """\
| Nothing may be lost or booked twice, whatever fails: exactly once, at least once, `retries` | \
[07a](07a_delivery_guarantees.ipynb) |
| Which id is safe with several workers: in memory, in Redis or Valkey, in the database? | \
[08](08_scale_out.ipynb) |""",
}

RULES = """\
**No sentence fits?** See how far the message comes: to the wire (in a browser's tools *Network*, \
*WS*, *Messages*; in Python `logger=True, engineio_logger=True`), to a handler, to the effect. If \
a handler runs and the page stays as it is, look at your framework's state: L23, in Angular \
`ngZone.run`. Then ask when or where it goes wrong:

| It goes wrong | because | read |
| --- | --- | --- |
| after a reconnect, a page refresh or a log-in | A connection is new each time: another sid, in \
no room. Listeners, timers and clients that your code made for the old one go on. Cookies, headers \
and `auth` are read once, at its start: after a log-in, `disconnect()` and `connect()` | \
[03, section 6](03_listeners_outside_connect.ipynb), [04a](04a_state_after_a_reconnect.ipynb) |
| while a client is away, or Redis is | Nobody keeps it for later: not the server, its adapter or \
Redis' pub/sub. An answer proves that it came, a log repeats it | \
[07b](07b_server_to_client_and_chaos.ipynb) |
| when somebody leaves | `disconnect` speaks of one connection. It comes late, perhaps after the \
next `connect`, or never: what must end (online, typing, a lock) needs a time limit. In a \
JavaScript server `socket.rooms` is empty by then; in `disconnecting` it isn't | \
[04b, section 2](04b_dead_connections.ipynb) |
| with another worker, process or thread, or after a deployment | Clients, rooms, callbacks and \
known ids are in the memory of one process, and served by its event loop | \
[08](08_scale_out.ipynb), L25 |
| behind a proxy, or on a host | Each has limits of its own: how long a connection may be idle, or \
last at all, its size, the upgrade. Does it happen without the proxy, and after which time? | \
[04b, section 2](04b_dead_connections.ipynb), L13, L22 |
| in the wrong order, or when two come at once | Only the emits of one connection, in one \
direction, keep their order. Handlers that wait don't, nor does a retry and what is new, HTTP and \
a socket, or (before socket.io-client 4.1) what waited offline and what `connect` emits: number \
them. What you check before an `await` may be false after it: check and take in one step | \
[07b, section 3](07b_server_to_client_and_chaos.ipynb), L18, D23 |
| for nobody, without an error | An emit to an empty room is no error, nor is an event without a \
listener. Names must be equal: event, namespace, and room, where `42` is not `"42"` | \
[10, section 2](10_check_your_own_code.ipynb), L25 |
| once for every tab, component or gateway | Each is a client, or has a listener or a hook of its \
own, and each is called | [03, section 3](03_listeners_outside_connect.ipynb), D28, D29 |"""


def section(cause: Cause, counts: tuple[list[int], list[int]] | None) -> str:
    """Return the Markdown that says what is known of a cause, and what it left in the counters."""
    parts = [f"#### {heading(cause)}", f"*{_languages(cause)}.* {cause.symptom}"]
    if cause.reproduce and cause.family != "myth":
        comment = "//" if language(cause) == "js" else "#"
        shown = [
            f"{comment} {when}\n{code(cause, when == 'after')}" for when in ("before", "after")
        ]
        parts += [f"```{language(cause)}\n{text}\n```" for text in shown]
    if counts:
        changes = zip(COUNTERS, *counts, strict=True)
        said = [
            f"{name} {old}" if old == new else f"**{name} {old} → {new}**"
            for name, old, new in changes
        ]
        parts.append(f"Measured: {', '.join(said)}.")
    parts.append(f"**Why.** {cause.mechanism}")
    if cause.family != "myth":
        parts.append(f"**Repair.** {cause.fix}")
    if cause.look:
        parts.append(f"**To be sure.** {cause.look}")
    if cause.reason:
        parts.append(f"**Not reproduced here.** {cause.reason}")
    return "\n\n".join([*parts, " ".join(_sentences(cause))])


def _languages(cause: Cause) -> str:
    concerned = {language(cause)} if cause.reproduce else set()
    if "socket.io-client" in cause.measured_with:
        concerned.add("js")
    if cause.family == "myth":
        concerned = {"js" if "socket.io" in cause.measured_with else "python"}
    concerned |= {
        "js" if each.startswith("socket.io") else "python" for each in cause.also_known_from
    }
    return (
        {"js": "JavaScript", "python": "Python"}["".join(concerned)]
        if len(concerned) == 1
        else ("JavaScript and Python")
    )


def _sentences(cause: Cause) -> Iterator[str]:
    yield f"*Threads:* {', '.join(map(_source, cause.evidence))}."
    if cause.measured_with:
        yield f"*Measured with* {' and '.join(cause.measured_with)}."
    if cause.also_known_from:
        too = " too" if cause.reproduce else ""
        yield f"*Reported for* {' and '.join(cause.also_known_from)}{too}."
    if cause.reproduce:
        file = cause.reproduce.__module__.rpartition(".")[2] + ".py"
        yield f"*Program:* [`{file}`](../sio_demo/atlas/{file})."


def _source(source: str) -> str:
    if source.startswith("https://"):
        return f"[{source.removeprefix('https://').rstrip('/')}]({source})"
    repository, number = source.split("#")
    return f"[{source}](https://github.com/{repository}/issues/{number})"


def group(causes: list[Cause]) -> str:
    """Return the cell above the causes with one signature, and what tells them apart."""
    words = causes[0].group
    parts = [f"### {words[0].upper()}{words[1:]}"]
    if len(causes) >= TOGETHER:
        held = Counter(need for cause in causes for need in cause.signatures[0].needs)
        rows: dict[str, list[Cause]] = {}
        for cause in causes:  # what all hold, or all but one, is left out
            needs = [n.words for n in cause.signatures[0].needs if held[n] < len(causes) - 1]
            rows.setdefault("; ".join(needs), []).append(cause)
        table = [
            f"| {' '.join(map(link, alike))} | {needs or 'none of these'} |"
            for needs, alike in rows.items()
        ]
        parts.append("The counters are the same. Which of these is true of your message?")
        parts.append("\n".join(["| cause | then this holds |", "| --- | --- |", *table]))
    return "\n\n".join(parts)


def sections(numbers: Measured) -> Iterator[str]:
    """Yield the cells of all causes, those with one signature together."""
    seen: set[str] = set()
    for cause in BY_THEME:
        words = MYTHS if cause.family == "myth" else cause.group
        if words and words not in seen:
            seen.add(words)
            yield words if words == MYTHS else group([c for c in BY_THEME if c.group == words])
        yield section(cause, numbers.get(cause.letter))


MYTHS = """### Not a cause

These are suspected often. Measured in the same way, they duplicate nothing and lose nothing. Two
of them have traps of their own: M6 leads to L9 and L20, M7 is not D18."""


def update(cells: list[nbformat.NotebookNode]) -> None:
    """Write the index and every section in their places."""
    numbers = measured(cells)
    starts = [cell.source.partition("\n")[0] for cell in cells]
    cells[starts.index(INDEX)].source = index()
    cells[starts.index(FIRST) + 1 : starts.index(LAST)] = [
        nbformat.v4.new_markdown_cell(text, id=f"atlas-{number:02}")
        for number, text in enumerate(sections(numbers))
    ]


if __name__ == "__main__":
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    update(notebook.cells)
    nbformat.write(notebook, NOTEBOOK)

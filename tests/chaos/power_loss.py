"""Disks after a power loss, rebuilt from a log of the file operations of a real run.

`record` runs this file as a program under strace: an outbox and an inbox, each with its SQLite
file, and a journal of what was promised, on a pipe. `Recording.image` returns the files as a disk
may have them after a power loss at some line of the log. What was synced is there. Of the rest,
each write is there, missing, or torn at sectors of 512 bytes, in any combination; and a new name
of a file, or the removal of one, may be missing as long as the directory was not synced. `finish`
goes on with such files, and returns what the checker of the chaos finds.

(SQLite syncs the directory with the first sync of a new write-ahead log, before its first commit
returns; the database's own name is in the same directory. It does not sync it when it deletes a
file: so an old log may be back, with nothing in it that the database has not.)
"""

import asyncio
import os
import random
import re
import secrets
import shutil
import sqlite3
import subprocess
import sys
from collections import defaultdict
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path

import socketio

from sio_demo import serve
from sio_demo.chaos.checker import Applied, Journal, check
from sio_demo.delivery import Inbox, Outbox, SQLiteInboxStore, SQLiteOutboxStore
from sio_demo.delivery.message import read_message
from sio_demo.errors import DeliveryError

STRACE = shutil.which("strace")
SCHEMA = "CREATE TABLE IF NOT EXISTS applied (number INTEGER, reply TEXT);"
MACHINES = {"outbox": ("outbox.db",), "inbox": ("inbox.db",), "both": ("outbox.db", "inbox.db")}
SECTOR = 512
LIVES = 3  # the program closes its stores, and opens them again
BURSTS = 10  # in each

# --- the program ---------------------------------------------------------------------------


@asynccontextmanager
async def running(folder, pragmas=()):
    """Serve an inbox, and connect an outbox to it, with their files in a folder."""
    inbox_store = SQLiteInboxStore(folder / "inbox.db", SCHEMA)
    outbox_store = SQLiteOutboxStore(folder / "outbox.db")
    for store in (inbox_store, outbox_store):
        for pragma in pragmas:
            store.control(f"PRAGMA {pragma}")
    sio = socketio.AsyncServer(async_mode="aiohttp")
    inbox = Inbox(sio, inbox_store)

    @inbox.on("note")
    def note(db, number):
        reply = f"{number} {secrets.token_hex(4)}"  # another one, if it is applied again
        db.execute("INSERT INTO applied VALUES (?, ?)", (number, reply))
        return reply

    server = await serve(sio)
    outbox = Outbox(socketio.AsyncClient(handle_sigint=False), outbox_store, retry_delay=0.01)
    try:
        await outbox.open(server.url, transports=["websocket"])
        yield outbox
    finally:
        await outbox.close()
        await server.close()
        await inbox.close()


async def program(folder, pipe, pragmas):
    """Send messages; write each promise into the pipe when it is made."""

    def note(*words):
        os.write(pipe, (" ".join(map(str, words)) + "\n").encode())

    async def watch(number, receipt):
        await receipt.accepted
        note("accepted", number)
        note("answered", number, await receipt)

    number = 0
    for life in range(LIVES):
        async with running(folder, pragmas) as outbox:
            for burst in range(BURSTS):
                watching = []
                for _ in range(1 + (life + burst) % 4):
                    note("sent", number)
                    watching.append(watch(number, outbox.send("note", number)))
                    number += 1
                await asyncio.gather(*watching)


# --- its log -------------------------------------------------------------------------------


@dataclass
class Operation:
    """A change of a file or a directory, from line `start` to line `end` of the log."""

    start: int
    end: int
    what: str  # "create", "unlink", "truncate" or "write"
    name: str
    file: int  # which file of that name
    offset: int = 0
    data: bytes = b""
    durable: float = inf  # the line from which on no power loss undoes it


@dataclass
class Recording:
    """What a run did to its files, and what it promised, by the lines of its log."""

    operations: list[Operation] = field(default_factory=list)
    promises: list[tuple[int, list[str]]] = field(default_factory=list)
    lines: int = 0

    def journal(self, at):
        """Return what had been promised up to a line."""
        journal = Journal()
        for line, words in self.promises:
            if line < at:
                number = int(words[1])
                match words[0]:
                    case "sent":
                        journal.sent.append(number)
                    case "accepted":
                        journal.accepted.append(number)
                    case "answered":
                        journal.answers[number] = " ".join(words[2:])
        return journal

    def without_directories(self):
        """Return what a program would have done that never syncs a directory."""
        names = ("create", "unlink")
        return replace(
            self,
            operations=[
                replace(one, durable=inf) if one.what in names else one for one in self.operations
            ],
        )

    def image(self, at, failing, rng):
        """Return the files after line `at`, if the machines of `failing` names lose power."""
        names, files = {}, defaultdict(bytearray)
        for operation in self.operations:
            if operation.start >= at:
                break
            safe = operation.durable < at or not operation.name.startswith(failing)
            fate = "there" if safe else rng.choice(["there", "missing", "torn"])
            if fate == "missing":
                continue
            match operation.what:
                case "create":
                    names[operation.name] = operation.file
                case "unlink":
                    if names.get(operation.name) == operation.file:
                        del names[operation.name]
                case "truncate":
                    content = files[operation.file]
                    del content[operation.offset :]
                    content.extend(bytes(operation.offset - len(content)))
                case "write":
                    _write(files[operation.file], operation, rng if fate == "torn" else None)
        return {name: bytes(files[file]) for name, file in names.items()}


def _write(content, operation, rng):
    """Write into a file: all of it, or the sectors that `rng` chooses."""
    begin, end = operation.offset, operation.offset + len(operation.data)
    for sector in range(begin - begin % SECTOR, end, SECTOR):
        if rng is None or rng.random() < 0.5:
            first, last = max(begin, sector), min(end, sector + SECTOR)
            content.extend(bytes(max(0, last - len(content))))
            content[first:last] = operation.data[first - begin : last - begin]


def record(folder, *pragmas):
    """Run the program under strace, and read the log."""
    files, log = folder / "files", folder / "log"
    files.mkdir(parents=True)
    calls = "openat,pwrite64,ftruncate,fsync,fdatasync,unlink,rename,write"
    reading, writing = os.pipe()
    try:
        subprocess.run(
            [
                *(STRACE, "-f", "--seccomp-bpf", "-xx", "-s", "70000", "-o", log),
                *("-e", "signal=none", "-e", f"trace={calls}", sys.executable, __file__),
                *(files, str(writing), "wal_autocheckpoint=12", *pragmas),
            ],
            pass_fds=[writing],
            check=True,
            timeout=60,
        )
    finally:
        os.close(reading)
        os.close(writing)
    return read_log(log, str(files), writing)


CALL = re.compile(r"(\w+)\((.*)\) += (-?\w+)")


def read_log(path, folder, pipe):
    """Return the operations of a run in a folder, and the lines that it wrote into a pipe."""
    recording, syncs = Recording(), defaultdict(list)
    names, opened = {}, {}  # the files by name, and names and files by descriptor
    for start, end, name, arguments, result in _calls(path):
        recording.lines = max(recording.lines, end)
        if result.startswith("-"):
            continue
        descriptor = arguments[0]
        file = opened.get(descriptor)
        new = recording.operations.append
        match name:
            case "openat":
                where = _bytes(arguments[1]).decode()
                opened.pop(result, None)
                if where == folder:
                    opened[result] = ("", 0)
                elif where.startswith(f"{folder}/") and where.endswith((".db", "-wal", "-journal")):
                    short = where.removeprefix(f"{folder}/")
                    if short not in names:
                        names[short] = len(recording.operations) + 1
                        new(Operation(start, end, "create", short, names[short]))
                    opened[result] = short, names[short]
            case "unlink" if (short := _bytes(descriptor).decode().removeprefix(f"{folder}/")) in (
                names
            ):
                new(Operation(start, end, "unlink", short, names.pop(short)))
            case "pwrite64" if file:
                data = _bytes(arguments[1])
                assert len(data) == int(result)
                new(Operation(start, end, "write", *file, int(arguments[3]), data))
            case "ftruncate" if file:
                new(Operation(start, end, "truncate", *file, int(arguments[1])))
            case "fsync" | "fdatasync" if file:
                syncs[file[1]].append((start, end))
            case "write" if descriptor == str(pipe):
                for line in _bytes(arguments[1]).decode().splitlines():
                    recording.promises.append((start, line.split()))
            case "write" | "rename":
                assert not file, "this is no model of such a call"
    recording.operations.sort(key=lambda operation: operation.start)
    for operation in recording.operations:
        place = 0 if operation.what in ("create", "unlink") else operation.file
        later = [end for start, end in syncs[place] if start > operation.end]
        operation.durable = min(later, default=inf)
    return recording


def _calls(path):
    """Yield the calls in a log: the lines of start and end, name, arguments and result."""
    begun = {}
    for line, text in enumerate(path.read_text().splitlines()):
        thread, text = text.split(maxsplit=1)
        start = line
        if text.endswith(" <unfinished ...>"):
            begun[thread] = line, text.removesuffix(" <unfinished ...>")
            continue
        if text.startswith("<... "):
            start, before = begun.pop(thread)
            text = before + text.partition(" resumed>")[2]
        if (call := CALL.match(text)) is not None:
            yield start, line, call[1], call[2].split(", "), call[3]


def _bytes(text):
    """Read a string that strace has printed with ``-xx``."""
    return bytes.fromhex(text.strip('"').replace("\\x", ""))


# --- what comes after ----------------------------------------------------------------------


async def finish(folder, image, journal):
    """Go on with the files of an image; return what is wrong then."""
    folder.mkdir()
    for name, content in image.items():
        (folder / name).write_bytes(content)
    try:
        async with asyncio.timeout(20), running(folder, ["synchronous=OFF"]) as outbox:
            receipts = {read_message(one.text).payload: one for one in outbox.resumed}
            for number in range(10_000, 10_003):  # and it goes on
                journal.sent.append(number)
                receipts[number] = outbox.send("note", number)
                await receipts[number].accepted
                journal.accepted.append(number)
            for number, receipt in receipts.items():
                journal.answers[number] = await receipt
    except (DeliveryError, TimeoutError) as error:  # after a power loss nothing is to be refused
        journal.refusals.append(f"{type(error).__name__}: {error}")
    with closing(sqlite3.connect(folder / "inbox.db")) as db:
        rows = [Applied(0, *row) for row in db.execute("SELECT * FROM applied ORDER BY rowid")]
    return check({0: journal}, rows)


async def violations(recording, folder, seeds, machines=tuple(MACHINES)):
    """Yield what is wrong after a power loss of one of the machines at a random line, by seed."""
    first = recording.operations[0].start
    for seed in seeds:
        rng = random.Random(seed)
        machine = rng.choice(machines)
        at = rng.randint(first, recording.lines + 1)
        image = recording.image(at, MACHINES[machine], rng)
        found = await finish(folder / f"{machine} {seed}", image, recording.journal(at))
        for finding in found.findings:
            yield f"seed {seed}, power loss of {machine} at line {at}: {finding}"


if __name__ == "__main__":
    asyncio.run(program(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))

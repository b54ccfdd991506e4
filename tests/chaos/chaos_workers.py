"""Several workers: server processes behind one link, one PostgreSQL, one Valkey.

Each client follows a feed of what is applied, for all clients. The engines outlive a schedule,
which has a schema of its own in the database. ``make chaos ARGS=--workers`` runs this file.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from multiprocessing.connection import Connection
from typing import Any, ClassVar

import psycopg
import socketio
from killable import Killable, KillablePostgres, KillableValkey
from psycopg.conninfo import make_conninfo
from two_places import beside

from sio_demo import chaos
from sio_demo.chaos.actors import APPLIED, Actor, ClientActor
from sio_demo.chaos.checker import Applied, Discrepancies, Journal, Verdict, check
from sio_demo.chaos.faults import STRIKES, handler_error, kill, lasting
from sio_demo.chaos.programs import INSERT, PROGRAMS, RETRY_DELAY, RETRY_DELAY_MAX, Client, Server
from sio_demo.chaos.schedule import KINDS, FaultKind, PlannedFault, Schedule
from sio_demo.chaos.stage import Stage
from sio_demo.chaos.stores import PARTS, Parts
from sio_demo.commands import chaos as command
from sio_demo.delivery import Feed, PostgresInboxStore, Received
from sio_demo.delivery.transactions import settled
from sio_demo.errors import NotSeenError
from sio_demo.lab.waiting import PATIENCE, wait_until

TOPIC = "applied"
INTERVAL = 0.5  # seconds after which a follower asks
ENGINES = 4  # deployments at once: each has a PostgreSQL and a Valkey
SCHEMA = "CREATE TABLE applied (position bigserial, client int, id text, reply text)"


class Worker(Server):
    """One of several: its inbox is in PostgreSQL, and a feed has all that was applied."""

    def __init__(self, order: dict[str, Any], connection: Connection) -> None:
        super().__init__(order, connection)
        self._feed = Feed(self._sio, self._inbox.store)
        self._inbox.after_commit("note", self._publish)

    def _new_server(self) -> socketio.AsyncServer:
        manager = socketio.AsyncRedisManager(self._order["valkey"])
        return socketio.AsyncServer(async_mode="aiohttp", client_manager=manager)

    def _new_store(self, parts: Parts) -> Any:
        return PostgresInboxStore(self._order["database"], connections=5)

    async def _note(self, db: Any, client: int, received: Received) -> str:  # type: ignore[override]
        cuts = self._failures and self._failing == "database cut"
        reply, error = self._draw_reply(client, received)
        row = client, received.id, reply
        await db.execute(INSERT.replace("?", "%s"), row)
        if cuts:
            with socket.socket(fileno=os.dup(db.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)
        await settled(self._feed.append(db, TOPIC, "applied", row))
        return self._finish(reply, error)

    async def _publish(self, _: Received) -> None:
        await self._feed.publish(TOPIC)

    def _error(self, words: str) -> BaseException | None:
        if self._failing == "database cut":
            return None
        error: type[BaseException] | None = getattr(psycopg.errors, self._failing, None)
        return error(words) if error else super()._error(words)


class Member(Client):
    """A client that follows what the workers have applied, of all clients."""

    def __init__(self, order: dict[str, Any], connection: Connection) -> None:
        super().__init__(order, connection)
        parts: Parts = order["parts"]
        self._follower = parts.follower(
            self._client,
            parts.follower_store(order["seen"], self._fail_point),
            interval=INTERVAL,
            retry_delay=RETRY_DELAY,
            retry_delay_max=RETRY_DELAY_MAX,
        )
        self._follower.on("applied", self._note)

    def _note(self, db: Any, row: list[Any]) -> None:
        db.execute(INSERT, tuple(row))
        self._fail_point.hit("handler has run")

    async def _listen(self) -> None:
        self._tasks.create_task(self._follower.follow(TOPIC))
        await super()._listen()


PROGRAMS |= {"worker": Worker, "member": Member}

WORKERS = 2
_WORKER = {"worker": range(1, WORKERS + 1)}
WORKER_KINDS = {  # with several workers, PostgreSQL and Valkey instead of the one server
    **{
        name: kind._replace(choices={**kind.choices, "half": ("client",)})
        if "half" in kind.choices
        else kind
        for name, kind in KINDS.items()
        if name not in ("server restart", "server kill", "server restore", "forget")
        and name != "missing handler"
    },
    "line kill": KINDS["line kill"]._replace(
        choices={**KINDS["line kill"].choices, "half": ("client", "workers")}
    ),
    "worker kill": FaultKind(
        {**_WORKER, "point": ("at once",)}, " (-9): number {fault.worker}, at once", weight=2
    ),
    "workers kill": FaultKind(
        {"point": ("handler has run",)}, " (-9): the first that has run a handler", weight=2
    ),
    "zombie worker": FaultKind(
        {**_WORKER, "seconds": (0.05, 0.5)},
        ": number {fault.worker} is stopped for {fault.seconds:g} s, and goes on",
        weight=2,
    ),
    "database error": FaultKind(
        {"point": ("SerializationFailure", "DeadlockDetected"), "count": range(1, 6)},
        ": {fault.point}, {fault.count} times",
    ),
    "database cut": FaultKind({}, ": the connection breaks in the middle of a transaction", 2),
    "table lock": FaultKind({"seconds": (0.05, 0.5)}, ", for {fault.seconds:g} s"),
    "backends killed": FaultKind(weight=2),
    "PostgreSQL kill": FaultKind({}, " (-9)"),
    "Valkey kill": FaultKind({}, " (-9)"),
    "Valkey pause": FaultKind({"seconds": (0.05, 0.5)}, ", for {fault.seconds:g} s"),
}


class WorkerStage(Stage):
    """Workers behind a link, and clients that send to them and read from them."""

    variants: ClassVar = {"none": PARTS["none"], "no-dedup": PARTS["no-dedup"]}
    kinds = WORKER_KINDS
    servers_at_once = WORKERS
    modules = ("chaos_workers",)

    free: ClassVar[list[dict[str, Killable]]] = []  # the engines that no schedule has now

    def __init__(self, schedule: Schedule, *arguments: Any) -> None:
        super().__init__(schedule, *arguments)
        self.engines = self.free.pop()
        # Not a database of its own: PostgreSQL would copy a thousand files, and sync them all when
        # it recovers.
        options = f"-c search_path=seed_{schedule.seed}"
        self.database = make_conninfo(self.engines["PostgreSQL"].url, options=options)
        for worker in self.servers:
            worker.program = "worker"
            worker.order |= {"database": self.database, "valkey": self.engines["Valkey"].url}
        for member in self.clients:
            member.program = "member"
            member.order["seen"] = str(member.path.with_suffix(".seen"))

    def half(self, fault: PlannedFault) -> Actor:
        return self.servers[fault.worker - 1] if fault.worker else super().half(fault)

    async def play(self) -> Verdict:
        try:
            return await super().play()
        finally:
            self.free.append(self.engines)

    async def open(self) -> None:
        await _query(self.database, f"CREATE SCHEMA seed_{self.schedule.seed}")
        await _query(self.database, SCHEMA)
        await super().open()

    async def applied(self) -> list[tuple[Any, ...]]:
        return await _query(self.database, APPLIED)

    async def _perform(self) -> None:
        """Wait at the end until all clients have read all; `check` says what one lacks."""
        await super()._perform()
        count = len(await self.applied())
        with suppress(NotSeenError):
            await wait_until(
                lambda: all(len(_read_by(member)) >= count for member in self.clients), PATIENCE
            )

    async def check(self) -> Discrepancies:
        found = await super().check()
        log: list[Any] = []
        with suppress(psycopg.errors.UndefinedTable):  # nothing came so far
            log = await _query(self.database, "SELECT text FROM feed_entries ORDER BY number")
        entries = [tuple(json.loads(text)[-1]) for (text,) in log]
        numbers = {entry: number for number, entry in enumerate(entries)}
        journals, read = {}, []
        for number, member in enumerate(self.clients, 1):
            journals[number] = Journal([*numbers.values()], [*numbers.values()])
            read += [Applied(number, numbers.get(row, -1), "") for row in _read_by(member)]
        if sorted(entries) != sorted(await self.applied()):
            self.findings.append("the feed has not what the table has")
        return beside(found, check(journals, read), "in the feed")


def _read_by(member: ClientActor) -> list[tuple[Any, ...]]:
    """Return the rows that its follower's handler has written, in order."""
    return member.rows(APPLIED, member.order["seen"])


# --- the faults


async def kill_first(stage: WorkerStage, fault: PlannedFault) -> None:
    """Kill the first worker that reaches a point, and start it again."""
    for worker in stage.servers:
        await worker.arm(fault.point or fault.kind, fault.count)
    stage.go_on(fault)
    waiting = [asyncio.create_task(worker.says("gone")) for worker in stage.servers]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for worker, task in zip(stage.servers, waiting, strict=True):
        task.cancel()
        if not await _disarm(worker):
            await worker.dead()
            await stage.start(worker)


async def _disarm(worker: Actor) -> bool:
    """Take `arm` back; return whether it is alive."""
    await worker.arm("")
    worker._ending = False
    return "gone" not in worker._said


async def kill_lines(stage: WorkerStage, fault: PlannedFault) -> None:
    await (kill if fault.half == "client" else kill_first)(stage, fault)


async def zombie(stage: WorkerStage, fault: PlannedFault) -> None:
    """Stop a worker, let its clients move on to another, and let it go on."""
    worker = stage.half(fault)
    _signal(worker, signal.SIGSTOP)
    await stage.link.cut()
    await asyncio.sleep(fault.seconds)
    _signal(worker, signal.SIGCONT)


def _signal(worker: Actor, number: int) -> None:
    if worker._child is not None and worker._child.pid:
        os.kill(worker._child.pid, number)


async def table_lock(stage: WorkerStage, fault: PlannedFault) -> None:
    with suppress(psycopg.Error):  # another fault was faster
        await _query(stage.database, f"LOCK TABLE applied; SELECT pg_sleep({fault.seconds})")


async def backends_killed(stage: WorkerStage, fault: PlannedFault) -> None:
    await _query(
        stage.database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
    )
    stage.go_on(fault)


async def engine_kill(stage: WorkerStage, fault: PlannedFault) -> None:
    engine = stage.engines[fault.kind.split()[0]]
    stage.go_on(fault)
    await engine.kill()
    await engine.restart()


async def valkey_pause(stage: WorkerStage, fault: PlannedFault) -> None:
    stage.go_on(fault)
    stage.engines["Valkey"].pause()
    try:
        await asyncio.sleep(fault.seconds)
    finally:  # the next schedule has it as well
        stage.engines["Valkey"].resume()


async def _query(url: str, statement: str) -> list[tuple[Any, ...]]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as database:
        cursor = await database.execute(statement.encode())
        return await cursor.fetchall() if cursor.description else []


WorkerStage.strikes = {
    **STRIKES,
    "worker kill": kill,
    "workers kill": kill_first,
    "line kill": kill_lines,
    "zombie worker": lasting(zombie),
    **dict.fromkeys(("database error", "database cut"), handler_error),
    "table lock": lasting(table_lock),
    "backends killed": backends_killed,
    **dict.fromkeys(("PostgreSQL kill", "Valkey kill"), engine_kill),
    "Valkey pause": valkey_pause,
}


async def run_all(
    seeds: Sequence[int],
    variant: str = "none",
    *,
    jobs: int = 1,
    stage: type[WorkerStage] = WorkerStage,
) -> AsyncGenerator[Verdict, None]:
    """Play schedules on engines that outlive them; EngineMissingError: one cannot be started."""
    async with AsyncExitStack() as exits:
        exits.callback(WorkerStage.free.clear)
        for _ in range(min(jobs, len(seeds))):
            postgres, cache = await KillablePostgres.start(), await KillableValkey.start()
            exits.push_async_callback(postgres.close)
            exits.push_async_callback(cache.close)
            WorkerStage.free.append({"PostgreSQL": postgres, "Valkey": cache})
        playing = chaos.run_all(seeds, variant, jobs=jobs, stage=stage)
        async for verdict in await exits.enter_async_context(aclosing(playing)):
            yield verdict


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    command.add(parser)
    parser.add_argument("--workers", action="store_true", help="as it is")
    options = parser.parse_args(arguments)
    seeds = command.seeds(options)
    if len(seeds) == 1:
        print(WorkerStage.draw(seeds[0]), flush=True)
    jobs = min(options.jobs, ENGINES)
    runs = run_all(seeds, options.variant, jobs=jobs, stage=WorkerStage)

    def said(failure: Verdict) -> str:
        return str(WorkerStage.draw(failure.seed))

    def again(failure: Verdict) -> str:
        broken = f" --variant {failure.variant}" if failure.variant != "none" else ""
        return f'make chaos SEED={failure.seed} ARGS="--workers{broken}"'

    return asyncio.run(command.report(runs, len(seeds), said, again))


if __name__ == "__main__":
    sys.exit(main())

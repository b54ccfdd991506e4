"""Chaos for several workers: two server processes, one PostgreSQL, one Valkey, one link.

The clients' messages go to the workers' inbox, whose handler appends each to a feed, in the same
transaction; a follower reads the feed. The workers and the engines outlive a schedule, so that
hundreds can be played in minutes. PostgreSQL's own tables say in the end what was applied.
"""

import asyncio
import os
import random
import signal
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack
from typing import Any

import psycopg
from psycopg import sql

from ..delivery import Follower, Outbox
from ..errors import NotSeenError, UsageError
from ..lab.bench import new_client, shut_down
from ..lab.engines import Postgres, Valkey
from ..lab.link import Link
from ..lab.process import ServerProcess
from ..lab.waiting import PATIENCE, shielded, wait_until
from .checker import Applied, Discrepancies, Journal, check
from .play import LIMIT, Verdict

WORKERS = 2
CLIENTS = 2
FAULTS = 4  # in a schedule
BURST = 10  # messages of each client between two faults
ENGINES = 4  # deployments at once, each with its own

PROGRAM = """
import random, psycopg, socketio
from sio_demo.chaos.broken import PARTS
from sio_demo.delivery import Feed, PostgresInboxStore

sio = socketio.AsyncServer(async_mode="aiohttp", ping_interval=1, ping_timeout=1,
                           client_manager=socketio.AsyncRedisManager(valkey))
store = PostgresInboxStore(url, connections=5)
inbox, feed = PARTS[variant].inbox(sio, store), Feed(sio, store)

@inbox.on("put")
async def put(db, message):
    if random.random() < 0.03:
        raise random.choice([psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected])
    await db.execute("INSERT INTO applied (seed, client, number) VALUES (%s, %s, %s)", message)
    await feed.append(db, f"seed {message[0]}", "put", message[1:])

@inbox.after_commit("put")
async def publish(received):
    await feed.publish(f"seed {received.payload[0]}")
"""


class SkipsGaps(Follower):
    """Broken: takes what comes for the next entries, whatever is missing before them."""

    async def _take(self, reading: Any, page: Any, asked: int | None) -> None:
        if asked is None and page.entries and page.entries.first > reading.progress.next:
            await self._jump(reading, page.entries)
        await super()._take(reading, page, asked)


FOLLOWERS = {"no-gap-check": SkipsGaps}  # else one that is whole
INBOXES = ("no-dedup", "id-per-attempt", "dedup-per-process")
VARIANTS = ("none", *FOLLOWERS, *INBOXES)


class Deployment:
    """Workers behind a link, and what they share."""

    def __init__(self, postgres: Postgres, valkey: Valkey, variant: str) -> None:
        self.postgres, self.valkey = postgres, valkey
        self._inbox = variant if variant in INBOXES else "none"
        self.workers: list[ServerProcess] = []
        self.link: Link

    @classmethod
    async def open(cls, stack: AsyncExitStack, variant: str) -> "Deployment":
        """Start all; EngineMissingError says how to get what is missing."""
        postgres = await Postgres.start()
        stack.push_async_callback(postgres.close)
        valkey = await Valkey.start()
        stack.push_async_callback(valkey.close)
        deployment = cls(postgres, valkey, variant)
        await deployment.query(
            "CREATE TABLE applied (id bigserial, seed int, client int, number int)"
        )
        stack.push_async_callback(deployment.close)
        for _ in range(WORKERS):
            deployment.workers.append(await deployment.new_worker())
        deployment.link = await Link.to(*(worker.url for worker in deployment.workers))
        stack.push_async_callback(deployment.link.close)
        return deployment

    async def new_worker(self) -> ServerProcess:
        return await ServerProcess.start(
            PROGRAM, url=self.postgres.url, valkey=self.valkey.url, variant=self._inbox
        )

    async def query(self, statement: str, *values: Any) -> list[Any]:
        """Run a statement in a connection of its own."""
        async with await psycopg.AsyncConnection.connect(
            self.postgres.url, autocommit=True
        ) as database:
            cursor = await database.execute(sql.SQL(statement), values)
            return await cursor.fetchall() if cursor.description else []

    async def close(self) -> None:
        for worker in self.workers:
            await worker.close()


# --- the faults

Strike = Callable[[Deployment, random.Random], Coroutine[Any, Any, Any]]


async def reset(all: Deployment, dice: random.Random) -> None:
    await all.link.cut()


async def half_open(all: Deployment, dice: random.Random) -> None:
    await all.link.cut("half-open")


async def black_hole(all: Deployment, dice: random.Random) -> None:
    async with all.link.black_hole():
        await asyncio.sleep(dice.uniform(0, 0.3))


async def worker_kill(all: Deployment, dice: random.Random) -> None:
    at = dice.randrange(WORKERS)
    await all.workers[at].kill()
    all.workers[at] = await all.new_worker()
    all.link.retarget(*(worker.url for worker in all.workers))


async def zombie(all: Deployment, dice: random.Random) -> None:
    """Stop a worker, let its clients move on to another, and let it go on."""
    worker = dice.choice(all.workers)
    os.kill(worker.pid, signal.SIGSTOP)
    await all.link.cut()
    await asyncio.sleep(dice.uniform(0, 0.5))
    os.kill(worker.pid, signal.SIGCONT)


async def backends_killed(all: Deployment, dice: random.Random) -> None:
    await all.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )


async def postgres_kill(all: Deployment, dice: random.Random) -> None:
    await all.postgres.kill()
    await all.postgres.restart()


async def valkey_kill(all: Deployment, dice: random.Random) -> None:
    await all.valkey.kill()
    await all.valkey.restart()


async def valkey_pause(all: Deployment, dice: random.Random) -> None:
    all.valkey.pause()
    await asyncio.sleep(dice.uniform(0, 0.5))
    all.valkey.resume()


STRIKES: dict[str, tuple[Strike, int]] = {  # with their weights
    "reset": (reset, 3),
    "half-open": (half_open, 2),
    "black hole": (black_hole, 2),
    "worker kill": (worker_kill, 2),
    "zombie worker": (zombie, 2),
    "backends killed": (backends_killed, 3),
    "PostgreSQL kill": (postgres_kill, 1),
    "Valkey kill": (valkey_kill, 1),
    "Valkey pause": (valkey_pause, 1),
}


# --- a schedule


async def run_all(
    seeds: Iterable[int], variant: str = "none", *, jobs: int = ENGINES
) -> AsyncGenerator[Verdict, None]:
    """Play schedules in several deployments; yield the verdicts as they come.

    `variant` is one of :data:`VARIANTS`; no more than :data:`ENGINES` deployments are made.

    Raises
    ------
    UsageError
        There is no such variant.
    EngineMissingError
        There is no PostgreSQL, or no Valkey; the message says how to get it.
    """
    if variant not in VARIANTS:
        raise UsageError(f"With workers, the variants are {', '.join(VARIANTS)}, not {variant!r}.")
    left, verdicts = deque(seeds), asyncio.Queue[Verdict | Exception]()
    total = len(left)
    playing = [
        asyncio.create_task(_play_all(left, variant, verdicts))
        for _ in range(min(jobs, ENGINES, total))
    ]
    try:
        for _ in range(total):
            if isinstance(verdict := await verdicts.get(), Exception):
                raise verdict
            yield verdict
    finally:
        for task in playing:
            task.cancel()
        await asyncio.gather(*playing, return_exceptions=True)


async def _play_all(
    seeds: deque[int], variant: str, verdicts: asyncio.Queue[Verdict | Exception]
) -> None:
    stack = AsyncExitStack()
    try:
        deployment = await Deployment.open(stack, variant)
        while seeds:
            verdicts.put_nowait(await _play(deployment, seeds.popleft(), variant))
    except Exception as error:
        verdicts.put_nowait(error)
    finally:
        await shielded(stack.aclose())


async def _play(deployment: Deployment, seed: int, variant: str) -> Verdict:
    dice = random.Random(seed)
    weights = [weight for _, weight in STRIKES.values()]
    struck = dice.choices(list(STRIKES), weights, k=FAULTS)
    numbers = range(1, BURST * (FAULTS + 1) + 1)
    seen: list[tuple[int, int]] = []  # what the follower has read, in order
    trouble: list[str] = []
    async with AsyncExitStack() as stack:
        outboxes = [await _outbox(deployment, stack) for _ in range(CLIENTS)]
        follows = FOLLOWERS.get(variant, Follower)
        await _follow(follows, deployment, f"seed {seed}", seen, stack)
        receipts = []
        try:
            async with asyncio.timeout(LIMIT):
                for burst in range(FAULTS + 1):
                    receipts += [
                        outbox.send("put", [seed, client, number])
                        for number in numbers[burst * BURST :][:BURST]
                        for client, outbox in enumerate(outboxes, 1)
                    ]
                    await asyncio.sleep(dice.uniform(0, 0.05))  # anywhere in what they do now
                    for kind in struck[burst : burst + 1]:
                        await STRIKES[kind][0](deployment, dice)
                answers = await asyncio.gather(*receipts, return_exceptions=True)
                trouble += [f"failed: {error!r}" for error in filter(None, answers)]
                await wait_until(lambda: len(set(seen)) >= len(receipts), PATIENCE)
        except (TimeoutError, NotSeenError):
            trouble.append(f"stuck: {len(receipts)} messages sent, {len(seen)} entries read")
    rows = await deployment.query(
        "SELECT client, number FROM applied WHERE seed = %s ORDER BY id", seed
    )
    found = _check(list(numbers), rows, seen)
    total = CLIENTS * len(numbers)
    results = found.lost, found.duplicated, found.reordered
    return Verdict(
        seed, variant, tuple(struck), total, total, *results, (*found.findings, *trouble)
    )


async def _outbox(deployment: Deployment, stack: AsyncExitStack) -> Outbox:
    outbox = Outbox(_client(), ack_timeout=2.0, retry_delay=0.02, retry_delay_max=0.2)
    stack.push_async_callback(outbox.close)
    await outbox.open(deployment.link.url, transports=["websocket"])
    return outbox


async def _follow(
    follows: type[Follower],
    deployment: Deployment,
    topic: str,
    seen: list[tuple[int, int]],
    stack: AsyncExitStack,
) -> None:
    client = _client()
    follower = follows(client, interval=1.0, retry_delay=0.02)
    follower.on("put", lambda _db, entry: seen.append((entry[0], entry[1])))
    stack.push_async_callback(shut_down, client)
    stack.push_async_callback(follower.close)
    await client.connect(deployment.link.url, transports=["websocket"], retry=True)
    await follower.follow(topic)


def _client() -> Any:
    return new_client(reconnection_delay_max=0.1)


def _check(
    sent: list[int], rows: list[tuple[int, int]], read: list[tuple[int, int]]
) -> Discrepancies:
    """Compare what each client sent with the table, and with what the follower read of it."""
    clients = range(1, CLIENTS + 1)
    journals = {
        client: Journal(sent=sent, accepted=sent)
        for client in (*clients, *(_as_read(client) for client in clients))
    }
    applied = [Applied(client, number, "") for client, number in rows]
    applied += [Applied(_as_read(client), number, "") for client, number in read]
    return check(journals, applied)


def _as_read(client: int) -> int:
    """Return the number under which the follower's copies of a client's messages are checked."""
    return 10 * client

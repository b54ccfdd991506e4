"""Deliveries with one thing wrong, which the schedules must catch: they test the checker.

Processes that play them import this module: they have the paths of pytest.
"""

import time
from dataclasses import replace
from unittest import mock

from chaos_workers import WorkerStage
from valkey.asyncio import Valkey

from sio_demo.chaos.stage import Stage
from sio_demo.chaos.stores import (
    PARTS,
    ApplyAll,
    KillableInboxStore,
    KillableOutboxStore,
    MarkFirst,
    Parts,
)
from sio_demo.delivery import Follower, Inbox, SQLiteInboxStore, sqlite_outbox


class MarkOutside(KillableInboxStore):
    """Broken: commits the effects, and then the mark in another transaction."""

    def save(self, producer, progress, first, kept):
        SQLiteInboxStore.commit(self)
        self.begin()
        super().save(producer, progress, first, kept)


class Unlocked(KillableOutboxStore):
    """Broken: lets a second outbox open the same file."""

    def __init__(self, path, fail_point):
        with mock.patch.object(sqlite_outbox, "_lock_file", lambda path: open(path, "ab")):
            super().__init__(path, fail_point)


class ClockEpochs(KillableOutboxStore):
    """Broken: takes the time for a number that only grows."""

    def load(self):
        saved = super().load()
        epoch = int(time.time() * 1000)
        return saved._replace(identity=replace(saved.identity, epoch=epoch))


class ApplyOncePerConnection(ApplyAll):
    """Broken: knows a message again on its connection only, as if a retry had an id of its own."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._replies = {}

    async def handle(self, store, message, letter, sid=None):
        attempt = sid, message.id
        if attempt not in self._replies:
            self._replies[attempt] = await super().handle(store, message, letter, sid)
        return self._replies[attempt]


class ApplyOncePerProcess(ApplyOncePerConnection):
    """Broken: knows a message again in its process only, as a set of ids in memory does."""

    async def handle(self, store, message, letter, sid=None):
        return await super().handle(store, message, letter)


class IdPerAttempt(Inbox):
    applier = ApplyOncePerConnection


class DedupPerProcess(Inbox):
    applier = ApplyOncePerProcess


class ImplicitProducers(Inbox):
    """Broken: takes a producer that it does not know for a new one."""

    async def _welcome(self, session, hello):
        return await super()._welcome(session, replace(hello, known=False))


class AskValkey(ApplyAll):
    """Broken: asks Valkey for the reply of a message, applies it if there is none, and sets it."""

    async def handle(self, store, message, letter, sid=None):
        reply = await self.valkey.get(message.id)
        if reply is None:
            reply = await super().handle(store, message, letter, sid)
            await self.valkey.set(message.id, reply)
        return reply


class CheckThenSet(Inbox):
    applier = AskValkey

    def __init__(self, sio, store):
        super().__init__(sio, store)
        url = sio.manager.redis_url  # internal
        self._applier.valkey = Valkey.from_url(url, decode_responses=True)


class SkipsGaps(Follower):
    """Broken: takes what comes for the next entries, whatever is missing before them."""

    async def _take(self, reading, page, asked):
        if asked is None and page.entries and page.entries.first > reading.progress.next:
            await self._jump(reading, page.entries)
        await super()._take(reading, page, asked)


class BrokenStage(Stage):
    modules = ("broken_parts",)
    variants = PARTS | {
        "mark-outside": Parts(inbox_store=MarkOutside),
        "id-per-attempt": Parts(inbox=IdPerAttempt),
        "dedup-per-process": Parts(inbox=DedupPerProcess),
        "implicit-producers": Parts(inbox=ImplicitProducers),
        "clock-epochs": Parts(outbox_store=ClockEpochs),
        "unlocked": Parts(outbox_store=Unlocked),
    }


class BrokenWorkerStage(WorkerStage):
    modules = ("broken_parts",)
    variants = {  # noqa: RUF012
        "dedup-per-process": Parts(inbox=DedupPerProcess),
        "check-then-set": Parts(inbox=CheckThenSet),
        "no-gap-check": Parts(follower=SkipsGaps),
        "offset-first": Parts(follower_store=MarkFirst),
        "offset-outside": Parts(follower_store=MarkOutside),
    }

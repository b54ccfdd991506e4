"""Deliveries with one thing wrong, which the schedules must catch: they test the checker."""

from dataclasses import replace
from typing import Any, NamedTuple

from ..delivery import Follower, Inbox, Letter, Retry
from ..delivery.applier import Applier
from ..delivery.inbox_state import StoredReply
from ..delivery.message import Answer, Batch, Hello, Message, Welcome, read_message
from ..delivery.stores import InboxStore
from ..delivery.transactions import settled
from ..delivery.turns import Session
from . import stores


class ApplyAll(Applier):
    """Broken: applies all that comes, as often as it comes."""

    async def apply_batch(
        self, store: InboxStore, batch: Batch, session: Session, verdict: str | None = None
    ) -> Answer:
        done, error = list[StoredReply](), None
        for text in batch.messages:
            message = read_message(text)
            letter = Letter(batch.producer, batch.first + len(done), session.user, text)
            try:
                reply = verdict or await self.handle(store, message, letter, session.sid)
            except Retry as why:
                error = why
                break
            done.append(StoredReply(message.id, reply))
        end = batch.first + len(done)
        if done and (progress := await settled(store.progress(batch.producer))):
            ahead = progress._replace(next=max(progress.next, end), last=done[-1].id)
            await settled(store.save(batch.producer, ahead, end, []))
        return Answer(end, [one.reply for one in done], error)


class ApplyOncePerConnection(ApplyAll):
    """Broken: knows a message again on its connection only, as if a retry had an id of its own."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._replies: dict[tuple[str | None, str], str] = {}

    async def handle(
        self, store: InboxStore, message: Message, letter: Letter, sid: str | None = None
    ) -> str:
        attempt = sid, message.id
        if attempt not in self._replies:
            self._replies[attempt] = await super().handle(store, message, letter, sid)
        return self._replies[attempt]


class ApplyOncePerProcess(ApplyOncePerConnection):
    """Broken: knows a message again in its process only, as a set of ids in memory does."""

    async def handle(
        self, store: InboxStore, message: Message, letter: Letter, sid: str | None = None
    ) -> str:
        return await super().handle(store, message, letter)


class NoDedup(Inbox):
    applier = ApplyAll


class IdPerAttempt(Inbox):
    applier = ApplyOncePerConnection


class DedupPerProcess(Inbox):
    applier = ApplyOncePerProcess


class ImplicitProducers(Inbox):
    """Broken: takes a producer that it does not know for a new one."""

    async def _welcome(self, session: Any, hello: Hello) -> Welcome:
        return await super()._welcome(session, replace(hello, known=False))


class AskValkey(ApplyAll):
    """Broken: asks Valkey for the reply of a message, applies it if there is none, and sets it."""

    valkey: Any

    async def handle(
        self, store: InboxStore, message: Message, letter: Letter, sid: str | None = None
    ) -> str:
        reply: str | None = await self.valkey.get(message.id)
        if reply is None:
            reply = await super().handle(store, message, letter, sid)
            await self.valkey.set(message.id, reply)
        return reply


class CheckThenSet(Inbox):
    applier = AskValkey
    _applier: AskValkey

    def __init__(self, sio: Any, store: Any) -> None:
        from valkey.asyncio import Valkey  # installed for workers only

        super().__init__(sio, store)
        url = sio.manager.redis_url  # internal
        self._applier.valkey = Valkey.from_url(url, decode_responses=True)


class SkipsGaps(Follower):
    """Broken: takes what comes for the next entries, whatever is missing before them."""

    async def _take(self, reading: Any, page: Any, asked: int | None) -> None:
        if asked is None and page.entries and page.entries.first > reading.progress.next:
            await self._jump(reading, page.entries)
        await super()._take(reading, page, asked)


class Parts(NamedTuple):
    inbox: type[Inbox] = Inbox
    inbox_store: type[stores.KillableInboxStore] = stores.KillableInboxStore
    outbox_store: type[stores.KillableOutboxStore] = stores.KillableOutboxStore
    follower: type[Follower] = Follower
    follower_store: type[stores.KillableInboxStore] = stores.KillableInboxStore


PARTS = {
    "none": Parts(),
    "no-dedup": Parts(inbox=NoDedup),
    "mark-outside": Parts(inbox_store=stores.MarkOutside),
    "mark-first": Parts(inbox_store=stores.MarkFirst),
    "id-per-attempt": Parts(inbox=IdPerAttempt),
    "dedup-per-process": Parts(inbox=DedupPerProcess),
    "implicit-producers": Parts(inbox=ImplicitProducers),
    "clock-epochs": Parts(outbox_store=stores.ClockEpochs),
    "unlocked": Parts(outbox_store=stores.Unlocked),
}
WORKER_PARTS = {
    **{name: PARTS[name] for name in ("none", "no-dedup", "id-per-attempt", "dedup-per-process")},
    "check-then-set": Parts(inbox=CheckThenSet),
    "no-gap-check": Parts(follower=SkipsGaps),
    "offset-first": Parts(follower_store=stores.MarkFirst),
    "offset-outside": Parts(follower_store=stores.MarkOutside),
}
VARIANTS = tuple(name for name in PARTS if name != "none")

"""What a delivery is made of; and two with one thing wrong, which the schedules must catch."""

from typing import NamedTuple

from ..delivery import Follower, Inbox
from ..delivery.applier import Applier
from ..delivery.inbox_state import Progress
from ..delivery.message import Answer, Batch, read_message
from ..delivery.stores import InboxStore
from ..delivery.transactions import settled
from ..delivery.turns import Session
from . import stores


class ApplyAll(Applier):
    """Broken: applies all that comes, as often as it comes."""

    async def apply_batch(
        self, store: InboxStore, batch: Batch, session: Session, verdict: str | None = None
    ) -> Answer:
        messages = list(map(read_message, batch.messages))
        before = Progress(next=batch.first)
        done, why = await self._apply_new(store, batch, session, messages, before, verdict)
        end = batch.first + len(done)
        if done and (progress := await settled(store.progress(batch.producer))):
            ahead = progress._replace(next=max(progress.next, end), last=done[-1].id)
            await settled(store.save(batch.producer, ahead, end, []))
        return Answer(end, [one.reply for one in done], why)


class NoDedup(Inbox):
    applier = ApplyAll


class Parts(NamedTuple):
    inbox: type[Inbox] = Inbox
    inbox_store: type[stores.KillableInboxStore] = stores.KillableInboxStore
    outbox_store: type[stores.KillableOutboxStore] = stores.KillableOutboxStore
    follower: type[Follower] = Follower
    follower_store: type[stores.KillableInboxStore] = stores.KillableInboxStore


PARTS = {
    "none": Parts(),
    "no-dedup": Parts(inbox=NoDedup),
    "mark-first": Parts(inbox_store=stores.MarkFirst),
}

"""What a delivery is made of; and two with one thing wrong, which the schedules must catch."""

from typing import NamedTuple

from ..delivery import Follower, Inbox, Letter, Retry
from ..delivery.applier import Applier
from ..delivery.inbox_state import StoredReply
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

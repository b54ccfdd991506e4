"""Deliveries with one thing wrong, which the schedules must catch: they test the checker."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..delivery import Inbox, Letter, Retry
from ..delivery.inbox_state import advanced
from ..delivery.message import Answer, Message
from .stores import KillableInboxStore, MarkFirst, MarkOutside


class NoDedup(Inbox):
    """Broken: applies all that comes, as often as it comes."""

    async def _apply(self, item: Any, verdict: str | None = None) -> Answer:
        batch, session, replies, error = item.batch, item.session, list[str](), None
        for text, message in zip(batch.messages, item.messages, strict=True):
            letter = Letter(batch.producer, batch.first + len(replies), session.user, text)
            try:
                replies.append(verdict or self._reply(message, letter, session.sid))
            except Retry as why:
                error = why
                break
        if progress := self.store.progress(batch.producer):
            ahead = advanced(batch, progress, len(replies))
            self.store.save(batch.producer, ahead, ahead.next, [])
        return Answer(batch.first + len(replies), replies, error)

    def _reply(self, message: Message, letter: Letter, sid: str) -> str:
        return self._handle(message, letter, sid)


class IdPerAttempt(NoDedup):
    """Broken: knows a message again on its connection only, as if a retry had an id of its own."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._replies: dict[tuple[str, str], str] = {}

    def _reply(self, message: Message, letter: Letter, sid: str) -> str:
        attempt = sid, message.id
        if attempt not in self._replies:
            self._replies[attempt] = super()._reply(message, letter, sid)
        return self._replies[attempt]


class Parts(NamedTuple):
    """What a delivery is built of."""

    inbox: type[Inbox] = Inbox
    inbox_store: type[KillableInboxStore] = KillableInboxStore


PARTS = {
    "none": Parts(),
    "no-dedup": Parts(inbox=NoDedup),
    "mark-outside": Parts(inbox_store=MarkOutside),
    "mark-first": Parts(inbox_store=MarkFirst),
    "id-per-attempt": Parts(inbox=IdPerAttempt),
}
VARIANTS = tuple(name for name in PARTS if name != "none")

"""Deliveries with one thing wrong, which the schedules must catch: they test the checker."""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

import socketio

from ..delivery import Inbox
from ..delivery.message import EVENT, Answer, Batch
from .stores import KillableInboxStore, MarkFirst, MarkOutside


class NoDedup(Inbox):
    """Broken: applies all that comes, as often as it comes."""

    def _apply(self, batch: Batch, messages: list[tuple[str, Any]]) -> Answer:
        return Answer(batch.end, [self._handle(*message) for message in messages])


class IdPerAttempt(socketio.AsyncClient):  # type: ignore[misc]
    """Broken: sends a batch as if from another producer each time."""

    async def emit(self, event: str, data: Any = None, *arguments: Any, **options: Any) -> None:
        if event == EVENT:
            data = {**data, "producer": str(uuid.uuid4()), "first": 0, "confirmed": 0}
        await super().emit(event, data, *arguments, **options)


class Parts(NamedTuple):
    """What a delivery is built of."""

    inbox: type[Inbox] = Inbox
    inbox_store: type[KillableInboxStore] = KillableInboxStore
    client: type[socketio.AsyncClient] = socketio.AsyncClient


PARTS = {
    "none": Parts(),
    "no-dedup": Parts(inbox=NoDedup),
    "mark-outside": Parts(inbox_store=MarkOutside),
    "mark-first": Parts(inbox_store=MarkFirst),
    "id-per-attempt": Parts(client=IdPerAttempt),
}
VARIANTS = tuple(name for name in PARTS if name != "none")

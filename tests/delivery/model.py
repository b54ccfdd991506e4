"""An exhaustive search over a small world around the state machines of the delivery.

    python tests/delivery/model.py [--faults 3] [--broken "no ids"]

The world: an outbox on a disk, two workers of an inbox on another disk, and a network. The outbox
gets two messages with equal payloads. Faults happen at any moment, up to a number: processes are
killed between any two steps, connections are cut, packets come late, twice or never, the inbox's
disk is full, handlers raise Retry, a producer is forgotten, and copies of either disk, or of the
outbox's whole machine, are restored later, the latter also beside the original.

`SendWindow`, and the functions of `inbox_state` and `message`, are the real ones. What is written
here is what lies between them and the disks: the order of the steps in `relay.py`, `outbox.py` and
`inbox.py`. The search is breadth-first, so a counterexample is as short as they come.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

from sio_demo import errors
from sio_demo.delivery import inbox_state
from sio_demo.delivery.inbox_state import Progress, StoredReply, advanced, check_same, checked
from sio_demo.delivery.message import LARGEST, Answer, Batch, Hello, Welcome, read_message
from sio_demo.delivery.send_window import SendWindow, worth_a_retry
from sio_demo.errors import DeliveryError, UnknownProducerError

MESSAGES = 2  # sequence numbers in use
WINDOW = 16  # so that two messages travel in one batch or in two

INVARIANTS = {
    "once": "No message is applied twice in one history of the inbox.",
    "order": "No message is applied before, or without, those sent before it.",
    "reply": "A receipt gets the reply to its own message.",
    "answered": "After a welcome, all that the outbox has an answer for is applied.",
    "stuck": "Nothing is refused for good unless a store was restored, copied or forgotten.",
    "named": "A refusal for good has a name of its own.",
    "delivered": "If faults end, all that was accepted is applied, or refused by name.",
    "confirmed": "The inbox deletes no reply that the outbox may need after a restart.",
    "stored": "A message, and the producer id, is on disk before a packet with it leaves.",
    "fenced": "Once an outbox opened later is welcomed, nothing of an earlier one is applied.",
    "kept": "The inbox has a reply for each applied number that is not confirmed.",
}

FAULTS = {
    "kill": "a process is killed, of the outbox or of the inbox",
    "cut": "a connection is lost, with what it carries",
    "late": "a connection is lost, and the inbox gets later what it carries",
    "twice": "the inbox gets a packet twice",
    "trouble": "the inbox's disk is full, or a handler raises Retry",
    "restore": "a copy of the outbox's disk is restored, or runs beside the original",
    "resume": "a copy of the outbox's machine, with its memory, is resumed, or runs beside it",
    "backup": "a copy of the inbox's disk is restored",
    "forget": "a producer that is not connected is forgotten",
}


# --- frozen state ------------------------------------------------------------------------------


class Text(NamedTuple):
    """A message of the window."""

    text: str


class Disk(NamedTuple):
    """The outbox's store."""

    producer: str | None
    base: int
    texts: tuple[str, ...]


class Request(NamedTuple):
    """A packet to the inbox: a hello, or a batch and its place among the flights (-1: none)."""

    body: Any
    flight: int
    sender: str  # the start of an outbox that sent it


class Reply(NamedTuple):
    """A packet to the outbox."""

    request: Request
    content: Any  # Welcome, or (next, replies, error)


class Link(NamedTuple):
    """A connection as the outbox sees it."""

    phase: str  # new, greeting, issued, ready
    welcome: Welcome | None
    up: tuple[Request, ...]
    down: tuple[Reply, ...]


class Outbox(NamedTuple):
    """One outbox. `window` is None while its process is down."""

    name: str
    branch: str
    started: str  # names the start; a copy of the whole machine has the same
    accepted: tuple[str, ...]  # ids of all messages that its disk has ever taken
    disk: Disk
    window: tuple[Any, ...] | None
    saving: int | None  # the base on disk that the window does not know of
    refused: str
    worker: int
    link: Link | None


class Ledger(NamedTuple):
    """The inbox's store, and what the search notes in it."""

    producers: tuple[tuple[str, Progress, tuple[tuple[int, StoredReply], ...]], ...]
    effects: tuple[str, ...]
    owners: tuple[tuple[str, str], ...]
    issued: int
    era: int  # how often it was restored


class World(NamedTuple):
    """All there is; outboxes and the ledger as numbers in `Table`."""

    first: int
    second: int  # -1: none
    ledger: int
    strays: tuple[tuple[int, Request], ...]  # late packets, and the worker they go to
    outbox_copy: int  # -1: none yet; -2: restored
    inbox_copy: int
    faults: int  # left
    damage: bool


class Move(NamedTuple):
    """A step of one outbox."""

    label: str
    outbox: int
    fault: str = ""
    fair: int = 99  # the lowest is what happens next if there are no more faults
    strays: tuple[Request, ...] = ()
    broken: tuple[str, ...] = ()


Step = tuple[str, int, World, tuple[str, ...]]  # label, fair, what follows, invariants broken


class Table:
    """Numbers things, so that states are small."""

    def __init__(self) -> None:
        self.things: list[Any] = []
        self.numbers: dict[Any, int] = {}

    def add(self, thing: Any) -> int:
        number = self.numbers.setdefault(thing, len(self.things))
        if number == len(self.things):
            self.things.append(thing)
        return number


_NAMES = tuple(vars(SendWindow(None, 0, WINDOW)))
_COUNTS = {"resent": 0, "_highest": 0}  # statistics, which would make states differ


def freeze(window: SendWindow[Text]) -> tuple[Any, ...]:
    """Return all that a window knows, hashable."""
    fields = vars(window) | _COUNTS
    fields["sent"] = min(window.sent, 1)
    fields["_messages"] = tuple(message.text for message in window.messages)
    fields["_flights"] = tuple(hashable(batch) for batch in fields["_flights"])
    fields["_replies"] = tuple(sorted(fields["_replies"].items()))
    return tuple(fields[name] for name in _NAMES)


def thaw(frozen: tuple[Any, ...]) -> SendWindow[Text]:
    fields = dict(zip(_NAMES, frozen, strict=True))
    window: SendWindow[Text] = SendWindow(None, 0, WINDOW)
    fields["_messages"] = deque(Text(text) for text in fields["_messages"])
    fields["_flights"] = [replace(batch) for batch in fields["_flights"]]
    fields["_replies"] = dict(fields["_replies"])
    vars(window).update(fields)
    return window


def hashable(batch: Batch) -> Batch:
    return replace(batch, messages=tuple(batch.messages))  # type: ignore[arg-type]


def id_of(text: str) -> str:
    return str(json.loads(text)[0])


def named(producer: str | None) -> str:
    return "nobody" if producer is None else f"P{producer[:2]}"


# --- the rules, and how to break them ----------------------------------------------------------


class Rules:
    """The protocol as it is."""

    confirm_early = store_late = False

    def first_producer(self) -> str | None:
        return None

    def checked(self, progress: Progress | None) -> Progress:
        return checked(progress, None)

    def greeted(self, hello: Hello, progress: Progress) -> Progress:
        return inbox_state.welcomed(hello, progress)

    def duplicates(self, batch: Batch, progress: Progress) -> int:
        return inbox_state.duplicates(batch, progress)

    def check_same(self, batch: Batch, kept: list[StoredReply]) -> None:
        check_same(batch.first, [read_message(text) for text in batch.messages], kept)

    def welcomed(self, window: SendWindow[Text], welcome: Welcome) -> None:
        window.welcomed(welcome)


class ImplicitProducers(Rules):
    """The outbox makes up its producer id, and the inbox takes whoever comes."""

    def first_producer(self) -> str | None:
        return uuid(0, 0)

    def checked(self, progress: Progress | None) -> Progress:
        return progress or Progress()


class NoIds(Rules):
    """A message with a number that was applied is a duplicate."""

    def check_same(self, batch: Batch, kept: list[StoredReply]) -> None:
        pass


class EpochsNotChecked(Rules):
    """The inbox takes batches of any epoch."""

    def greeted(self, hello: Hello, progress: Progress) -> Progress:
        return inbox_state.welcomed(replace(hello, epoch=0), progress)

    def duplicates(self, batch: Batch, progress: Progress) -> int:
        return inbox_state.duplicates(replace(batch, epoch=progress.epoch), progress)


class ConfirmBeforeSave(Rules):
    """Replies are confirmed as they come."""

    confirm_early = True


class ProducerStoredLate(Rules):
    """The producer id is stored some time after the welcome."""

    store_late = True


class WelcomeNotCompared(Rules):
    """The outbox goes on wherever the inbox is."""

    def welcomed(self, window: SendWindow[Text], welcome: Welcome) -> None:
        window.welcomed(replace(welcome, next=window.base))


BROKEN: dict[str, type[Rules]] = {
    "implicit producers": ImplicitProducers,
    "no ids": NoIds,
    "epochs not checked": EpochsNotChecked,
    "confirm before save": ConfirmBeforeSave,
    "producer stored late": ProducerStoredLate,
    "welcome not compared": WelcomeNotCompared,
}


def uuid(era: int, number: int) -> str:
    return f"{era}{number}000000-0000-4000-8000-000000000000"


# --- the search --------------------------------------------------------------------------------


class Counterexample(NamedTuple):
    """A broken invariant, and the steps that lead to it."""

    invariant: str
    steps: list[str]


class Search:
    """Visits every world that can be reached with so many faults.

    Parameters
    ----------
    rules : Rules
    faults : int
    kinds : iterable of str
        Which of `FAULTS`.
    unconfirmed : int
        How many replies the inbox keeps for a producer.
    """

    def __init__(
        self, rules: Rules, faults: int, kinds: Iterable[str] = FAULTS, unconfirmed: int = 20
    ) -> None:
        self.rules, self.kinds = rules, frozenset(kinds)
        self.unconfirmed = unconfirmed
        self.outboxes, self.ledgers = Table(), Table()
        self.counterexamples: dict[str, Counterexample] = {}
        self.parents: dict[World, tuple[World | None, str]] = {}
        self.fair: dict[World, World | None] = {}  # None: an invariant breaks, which is shown
        self.edges = self.depth = 0
        self.local = cache(self._local)
        self.serve = cache(self._serve)
        self.hold = cache(self._hold)
        disk = Disk(rules.first_producer(), 0, ())
        outbox = Outbox("A", "a", "a0", (), disk, None, None, "", 0, None)
        ledger = Ledger((), (), (), 0, 0)
        self.start = World(
            self.outboxes.add(outbox), -1, self.ledgers.add(ledger), (), -1, -1, faults, False
        )

    def run(self, stop_at_first: bool = False) -> None:
        self.parents[self.start] = (None, "")
        level = [self.start]
        while level and not (stop_at_first and self.counterexamples):
            following: list[World] = []
            for world in level:
                best = 99
                for label, fair, after, broken in self.moves(world):
                    self.edges += 1
                    if not broken:
                        broken = self._broken(after)
                    for invariant in broken:
                        self._found(invariant, world, label)
                    if fair < best:
                        best, self.fair[world] = fair, None if broken else after
                    if broken:
                        continue
                    if after not in self.parents:
                        self.parents[after] = (world, label)
                        following.append(after)
            level = following
            self.depth += bool(level)
        if not stop_at_first or not self.counterexamples:
            self._check_delivery()

    def _found(self, invariant: str, world: World, label: str) -> None:
        if invariant not in self.counterexamples:
            self.counterexamples[invariant] = Counterexample(invariant, self.trace(world, label))

    def trace(self, world: World | None, *more: str) -> list[str]:
        steps = list(more)
        while world is not None:
            world, label = self.parents[world]
            steps[:0] = [label] if label else []
        return steps

    def _check_delivery(self) -> None:
        """Follow what happens without more faults, from every world."""
        verdicts: dict[World, bool] = {}
        for world in self.parents:
            path = []
            here = world
            while here not in verdicts:
                verdicts[here] = False  # if the path comes back here, it never ends well
                path.append(here)
                if here not in self.fair:
                    verdicts[here] = self._delivered(here)
                    break
                following = self.fair[here]
                if following is None:
                    verdicts[here] = True
                    break
                here = following
            for one in path:
                verdicts[one] = verdicts[here]
            if not verdicts[world]:
                self._found("delivered", world, "and then nothing helps")
                return

    def _delivered(self, world: World) -> bool:
        effects = self.ledgers.things[world.ledger].effects
        for number in (world.first, world.second):
            if number < 0:
                continue
            outbox = self.outboxes.things[number]
            idle = outbox.window is not None and not thaw(outbox.window).messages
            if not outbox.refused and not (idle and set(outbox.accepted) <= set(effects)):
                return False
        return True

    # --- invariants of a state -----------------------------------------------------------

    def _broken(self, world: World) -> tuple[str, ...]:
        for number in (world.first, world.second):
            if number >= 0 and (broken := self.hold(number, world.ledger, world.damage)):
                return broken
        return ()

    def _hold(self, number: int, ledger_number: int, damage: bool) -> tuple[str, ...]:
        outbox: Outbox = self.outboxes.things[number]
        ledger: Ledger = self.ledgers.things[ledger_number]
        effects, broken = ledger.effects, []
        if len(set(effects)) < len(effects):
            broken.append("once")
        places = [effects.index(name) if name in effects else 99 for name in outbox.accepted]
        if any(a >= b for a, b in itertools.pairwise(places) if b < 99):
            broken.append("order")
        if outbox.refused:
            if not damage:
                broken.append("stuck")
            if outbox.refused in ("DeliveryError", "BatchError", "StoreError"):
                broken.append("named")
        if outbox.link and outbox.link.phase == "ready" and not outbox.refused:
            base = thaw(outbox.window).base
            if not set(outbox.accepted[:base]) <= set(effects):
                broken.append("answered")
        for producer, progress, kept in ledger.producers:
            if [n for n, _ in kept] != list(range(progress.floor, progress.next)):
                broken.append("kept")
            deleted = producer == outbox.disk.producer and progress.floor > outbox.disk.base
            if deleted and not damage:
                broken.append("confirmed")
        return tuple(broken)

    # --- all that can happen -------------------------------------------------------------

    def moves(self, world: World) -> Iterator[Step]:
        for place in (0, 1):
            number = world[place]
            if number < 0:
                continue
            for move in self.local(number):
                if self._may(world, move.fault):
                    after = self._put(world, place, move.outbox, move.fault)
                    if move.strays:
                        worker = self.outboxes.things[number].worker
                        late = world.strays + tuple((worker, r) for r in move.strays)
                        after = after._replace(strays=tuple(sorted(late, key=repr)))
                    yield move.label, move.fair, after, move.broken
            yield from self._requests(world, place, number)
        yield from self._late(world)
        yield from self._copies(world)
        yield from self._forget(world)

    def _may(self, world: World, fault: str) -> bool:
        return not fault or (world.faults > 0 and fault in self.kinds)

    def _put(self, world: World, place: int, number: int, fault: str = "") -> World:
        fields = list(world)
        fields[place] = number
        fields[6] -= bool(fault)
        return World(*fields)

    def _requests(self, world: World, place: int, number: int) -> Iterator[Step]:
        outbox: Outbox = self.outboxes.things[number]
        if outbox.link is None or not outbox.link.up:
            return
        request = outbox.link.up[0]
        for label, fault, ledger, content, broken in self.serve(request, world.ledger):
            if not self._may(world, fault):
                continue
            label = f"the inbox gets {outbox.name}'s {label}"
            after = world._replace(ledger=ledger)
            if content is None:
                after = after._replace(faults=world.faults - 1)
                yield label, 99, self._worker_dies(after, outbox.worker), broken
                continue
            up = outbox.link.up if fault == "twice" else outbox.link.up[1:]
            down = () if outbox.refused else (*outbox.link.down, Reply(request, content))
            link = outbox.link._replace(up=up, down=down)
            answered = self.outboxes.add(outbox._replace(link=link))
            yield label, 99 if fault else 4, self._put(after, place, answered, fault), broken

    def _worker_dies(self, world: World, worker: int) -> World:
        """Cut the connections of one worker, or of both (-1)."""
        for place in (0, 1):
            if world[place] >= 0:
                outbox: Outbox = self.outboxes.things[world[place]]
                if outbox.link and worker in (outbox.worker, -1):
                    world = self._put(world, place, self.outboxes.add(cut(outbox)))
        left = tuple(stray for stray in world.strays if worker not in (stray[0], -1))
        return world._replace(strays=left)

    def _late(self, world: World) -> Iterator[Step]:
        for index, (_, request) in enumerate(world.strays):
            left = world.strays[:index] + world.strays[index + 1 :]
            for label, fault, ledger, _, broken in self.serve(request, world.ledger):
                if not fault:
                    label = f"late, the inbox gets {request.sender}'s {label}"
                    yield label, 99, world._replace(ledger=ledger, strays=left), broken

    def _copies(self, world: World) -> Iterator[Step]:
        """Copies are taken at no cost, as long as they can be restored later."""
        machine, disk = self._may(world, "resume"), self._may(world, "restore")
        if world.outbox_copy == -1 and (machine or disk):
            yield "outbox A is copied", 99, world._replace(outbox_copy=world.first), ()
        elif world.outbox_copy >= 0:
            copied = cut(self.outboxes.things[world.outbox_copy])._replace(branch="b")
            damaged = world._replace(damage=True, outbox_copy=-2)
            kinds = []
            if disk:
                kinds += [("the disk", copied._replace(window=None, saving=None, refused=""))]
            if machine and copied.window is not None:
                kinds += [("the machine", copied)]
            for what, outbox in kinds:
                number = self.outboxes.add(outbox)
                yield f"{what} of A is restored", 99, self._put(damaged, 0, number, what), ()
                number = self.outboxes.add(outbox._replace(name="B", worker=1))
                yield f"{what} of A runs again as B", 99, self._put(damaged, 1, number, what), ()
        if not self._may(world, "backup"):
            return
        if world.inbox_copy == -1:
            yield "the inbox is copied", 99, world._replace(inbox_copy=world.ledger), ()
        elif world.inbox_copy >= 0:
            ledger: Ledger = self.ledgers.things[world.inbox_copy]
            number = self.ledgers.add(ledger._replace(era=ledger.era + 1, issued=0))
            damaged = world._replace(
                ledger=number, inbox_copy=-2, damage=True, faults=world.faults - 1
            )
            yield "the inbox is restored", 99, self._worker_dies(damaged, -1), ()

    def _forget(self, world: World) -> Iterator[Step]:
        if not self._may(world, "forget"):
            return
        linked = set()
        for number in (world.first, world.second):
            if number >= 0 and (outbox := self.outboxes.things[number]).link:
                linked |= {outbox.disk.producer, outbox.window and thaw(outbox.window).producer}
        ledger: Ledger = self.ledgers.things[world.ledger]
        for one in ledger.producers:
            if one[0] not in linked:
                left = tuple(other for other in ledger.producers if other is not one)
                number = self.ledgers.add(ledger._replace(producers=left))
                after = world._replace(ledger=number, faults=world.faults - 1, damage=True)
                yield f"the inbox forgets {named(one[0])}", 99, after, ()

    # --- the outbox ----------------------------------------------------------------------

    def _local(self, number: int) -> list[Move]:
        """Return what an outbox can do, or suffer, by itself."""
        outbox: Outbox = self.outboxes.things[number]
        name, disk, link = outbox.name, outbox.disk, outbox.link
        moves: list[Move] = []

        def add(label: str, after: Outbox, **more: Any) -> None:
            moves.append(Move(f"{name} {label}", self.outboxes.add(after), **more))

        if outbox.window is None:
            if not outbox.refused:
                window: SendWindow[Text] = SendWindow(disk.producer, disk.base, WINDOW)
                window.accept(Text(text) for text in disk.texts)
                started = f"{outbox.branch}{int(outbox.started[1:]) + 1}"
                add("starts", outbox._replace(window=freeze(window), started=started), fair=0)
            return moves
        dead = cut(outbox)._replace(window=None, saving=None, refused="")
        add("is killed", dead, fault="kill")
        if link:
            add("loses its connection", cut(outbox), fault="cut")
        if link and link.up:
            add("is killed, and its packets are late", dead, fault="late", strays=link.up)
            add("is cut off, and its packets are late", cut(outbox), fault="late", strays=link.up)
        if outbox.refused:
            return moves
        window = thaw(outbox.window)
        if window.next < MESSAGES and outbox.saving is None:
            name_of_it = f"{window.next}{outbox.branch}"
            text = json.dumps([name_of_it, "e", 0])
            after = self._save(outbox, thaw(outbox.window), text)
            add(f"stores {name_of_it}", after._replace(accepted=(*outbox.accepted, name_of_it)))
        if outbox.saving is not None:
            told = thaw(outbox.window)
            told.confirmed = outbox.saving
            add("knows that it is saved", self._operated(outbox, told, saving=None), fair=5)
        elif window.to_confirm:
            saved = Disk(disk.producer, window.base, disk.texts[window.base - disk.base :])
            wanted = window.to_confirm >= window.confirm_at
            after = outbox._replace(disk=saved, saving=window.base)
            add(f"saves base {window.base}", after, fair=6 if wanted else 99)
        if link is None:
            window.lost()
            after = self._operated(outbox, window, link=Link("new", None, (), ()))
            add("connects", after, fair=1)
            return moves
        if link.phase == "new":
            hello = window.hello()
            request = Request(hello, -1, outbox.started)
            greeting = link._replace(phase="greeting", up=(*link.up, request))
            what = f"says hello: {named(hello.producer)}, epoch {hello.epoch}"
            add(what, outbox._replace(link=greeting), fair=2)
        if link.phase == "issued":
            assert link.welcome is not None
            add(*self._go_on(outbox, link.welcome), fair=3)
        if self.rules.store_late and window.producer and disk.producer is None:
            late = outbox._replace(disk=disk._replace(producer=window.producer))
            add(f"stores {named(window.producer)}", late, fair=9)
        for index in range(len(link.down)):
            label, after, broken = self._hear(outbox, index)
            add(label, after, fair=3 if index == 0 else 99, broken=broken)
        if link.phase == "ready":
            before = list(window._flights)
            batch = window.next_batch()
            if batch is not None:
                batch = hashable(batch)
                window._flights = [*before, batch]
                request = Request(batch, len(before), outbox.started)
                after = outbox._replace(link=link._replace(up=(*link.up, request)))
                words = f"sends {ids(batch)} from {batch.first}, confirms {batch.confirmed}"
                broken = self._unstored(disk, batch)
                add(words, after._replace(window=freeze(window)), fair=8, broken=broken)
        return moves

    def _unstored(self, disk: Disk, batch: Batch) -> tuple[str, ...]:
        on_disk = dict(enumerate(disk.texts, disk.base))
        there = all(
            n < disk.base or on_disk.get(n) == text
            for n, text in enumerate(batch.messages, batch.first)
        )
        if disk.producer != batch.producer and not self.rules.store_late:
            return ("stored",)  # that rule is broken on purpose: what comes of it?
        return () if there else ("stored",)

    def _save(self, outbox: Outbox, window: SendWindow[Text], text: str) -> Outbox:
        """Save a message, and the base with it; then the window knows of both."""
        disk = outbox.disk
        left = disk.texts[window.base - disk.base :]
        saved = Disk(disk.producer, window.base, (*left, text))
        window.confirmed = window.base
        window.accept([Text(text)])
        return self._operated(outbox, window, disk=saved)

    def _operated(self, outbox: Outbox, window: SendWindow[Text], **more: Any) -> Outbox:
        return outbox._replace(window=freeze(window), **more)

    def _go_on(self, outbox: Outbox, welcome: Welcome) -> tuple[str, Outbox]:
        """Act upon a welcome, as `Relay._go_on_from` does after the producer id is stored."""
        assert outbox.window is not None
        assert outbox.link is not None
        window = thaw(outbox.window)
        link = outbox.link._replace(phase="ready", welcome=None)
        try:
            self.rules.welcomed(window, welcome)
        except DeliveryError as error:
            name = type(error).__name__
            return f"gives up: {name}", outbox._replace(refused=name)
        link = unflown(link, {})
        return "may send", outbox._replace(window=freeze(window), link=link)

    def _hear(self, outbox: Outbox, index: int) -> tuple[str, Outbox, tuple[str, ...]]:
        """Return what a packet from the inbox does."""
        assert outbox.link is not None
        assert outbox.window is not None
        link, window = outbox.link, thaw(outbox.window)
        heard = link.down[index]
        link = link._replace(down=link.down[:index] + link.down[index + 1 :])
        outbox = outbox._replace(link=link)
        if isinstance(heard.request.body, Hello):
            if link.phase != "greeting":
                return "ignores a welcome", outbox, ()
            return *self._greeted(outbox, window, heard.content), ()
        return self._answered(outbox, window, heard)

    def _greeted(
        self, outbox: Outbox, window: SendWindow[Text], content: Any
    ) -> tuple[str, Outbox]:
        assert outbox.link is not None
        link = outbox.link
        if isinstance(content, Welcome):
            if window.producer is None and not self.rules.store_late:
                disk = outbox.disk._replace(producer=content.producer)
                link = link._replace(phase="issued", welcome=content)
                label = f"stores {named(content.producer)}"
                return label, outbox._replace(disk=disk, link=link)
            label, after = self._go_on(outbox, content)
            return f"is welcome, and {label}", after
        error = answer_of(content).error
        name = type(error).__name__
        again = outbox._replace(link=link._replace(phase="new"))
        if worth_a_retry(error):
            return f"hears {name}", again
        if isinstance(error, UnknownProducerError) and window.untouched:
            window.producer = None
            return f"hears {name}, but has sent nothing", self._operated(again, window)
        return f"gives up: {name}", outbox._replace(refused=name)

    def _answered(
        self, outbox: Outbox, window: SendWindow[Text], heard: Reply
    ) -> tuple[str, Outbox, tuple[str, ...]]:
        assert outbox.link is not None
        answer, request = answer_of(heard.content), heard.request
        flights = list(window._flights)
        batch = flights[request.flight] if request.flight >= 0 else request.body
        if batch.producer != window.producer:
            return "ignores an answer", outbox, ()
        current = window.expects(batch)
        helps = answer.error is None or window.refused(batch, answer)
        done = window.answered(batch, answer)
        broken = [
            "reply" for message, reply in done if json.loads(reply) != {"ok": id_of(message.text)}
        ]
        if self.rules.confirm_early:
            window.confirmed = window.base
        kept = {
            old: new
            for old, flight in enumerate(flights)
            for new, same in enumerate(window._flights)
            if flight is same
        }
        after = self._operated(outbox, window, link=unflown(outbox.link, kept))
        label = f"is answered {' '.join(id_of(m.text) for m, _ in done) or 'nothing'}"
        if answer.error is not None:
            name = type(answer.error).__name__
            label += f", {name}"
            if current and not helps:
                after = after._replace(refused=name)
                label += ", and gives up"
        return label, after, tuple(broken)

    # --- the inbox -----------------------------------------------------------------------

    def _serve(
        self, request: Request, number: int
    ) -> list[tuple[str, str, int, Any, tuple[str, ...]]]:
        """Return what a request can lead to: label, fault, ledger, answer, invariants broken.

        Without an answer, the worker dies.
        """
        ledger: Ledger = self.ledgers.things[number]
        hello = isinstance(request.body, Hello)
        what = "hello" if hello else f"{ids(request.body)} from {request.body.first}"
        results: list[tuple[str, str, int, Any, tuple[str, ...]]] = []
        trouble = (0, (), "StoreError")
        limits = [None] if hello else [None, *range(len(request.body.messages))]
        for limit in limits:
            broken: tuple[str, ...] = ()
            if hello:
                after, content = self._welcome(ledger, request)
            else:
                after, content, broken = self._apply(ledger, request, limit)
            new = self.ledgers.add(after)
            words = f"{what}: {describe(content)}"
            if limit is not None:
                if content[2] == "Retry":
                    results.append((words, "trouble", new, content, broken))
                continue
            results.append((words, "", new, content, broken))
            results.append((f"{words}, twice", "twice", new, content, broken))
            if new != number:
                results.append((f"{words}, commits, and dies", "kill", new, None, broken))
        results.append((f"{what}, and dies", "kill", number, None, ()))
        results.append((f"{what}: StoreError", "trouble", number, trouble, ()))
        return results

    def _welcome(self, ledger: Ledger, request: Request) -> tuple[Ledger, Any]:
        hello: Hello = request.body
        producer = hello.producer or uuid(ledger.era, ledger.issued)
        rows = {name: (progress, kept) for name, progress, kept in ledger.producers}
        if hello.producer is None:
            ledger = ledger._replace(issued=ledger.issued + 1)
            rows[producer] = (Progress(), ())
        try:
            before = self.rules.checked(rows.get(producer, (None, ()))[0])
            progress = self.rules.greeted(hello, before)
        except DeliveryError as error:
            return ledger, (0, (), type(error).__name__)
        rows[producer] = (progress, rows.get(producer, (None, ()))[1])
        owners = dict(ledger.owners) | {producer: request.sender}
        limits = (500, LARGEST, self.unconfirmed)
        welcome = Welcome(producer, progress.epoch, progress.next, *limits)
        return self._written(ledger, rows)._replace(owners=tuple(sorted(owners.items()))), welcome

    def _apply(
        self, ledger: Ledger, request: Request, limit: int | None
    ) -> tuple[Ledger, Any, tuple[str, ...]]:
        """Apply a batch, as `Inbox._apply` does; message number `limit` raises Retry."""
        batch: Batch = request.body
        rows = {name: (progress, kept) for name, progress, kept in ledger.producers}
        expected = 0
        try:
            progress = self.rules.checked(rows.get(batch.producer, (None, ()))[0])
            expected = progress.next
            old = self.rules.duplicates(batch, progress)
            if batch.end - max(progress.floor, batch.confirmed) > self.unconfirmed:
                raise errors.QuotaError("too many")
            stored = dict(rows.get(batch.producer, (None, ()))[1])
            kept = [stored[batch.first + n] for n in range(old)]
            self.rules.check_same(batch, kept)
        except DeliveryError as error:
            return ledger, (expected, (), type(error).__name__), ()
        new = []
        why = None
        for index, text in enumerate(batch.messages[old:], old):
            if index == limit:
                why = "Retry"
                break
            name = id_of(text)
            new.append(StoredReply(name, json.dumps({"ok": name})))
        broken: tuple[str, ...] = ()
        if new and dict(ledger.owners).get(batch.producer, request.sender) != request.sender:
            broken = ("fenced",)
        ahead = advanced(batch, progress, old + len(new))
        stored |= dict(enumerate(new, batch.first + old))
        rows[batch.producer] = (ahead, tuple((n, r) for n, r in stored.items() if n >= ahead.floor))
        ledger = ledger._replace(effects=(*ledger.effects, *(one.id for one in new)))
        replies = tuple(one.reply for one in kept + new)
        return self._written(ledger, rows), (ahead.next, replies, why), broken

    def _written(self, ledger: Ledger, rows: dict[str, Any]) -> Ledger:
        producers = sorted((name, *row) for name, row in rows.items())
        return ledger._replace(producers=tuple(producers))


def cut(outbox: Outbox) -> Outbox:
    """Return an outbox without its connection; the next one goes to the other worker."""
    if outbox.link is None:
        return outbox
    return outbox._replace(link=None, worker=1 - outbox.worker)


def unflown(link: Link, kept: dict[int, int]) -> Link:
    """Return a link whose packets know where their batches are among the flights now."""
    up = tuple(r._replace(flight=kept.get(r.flight, -1)) for r in link.up)
    down = tuple(
        Reply(r.request._replace(flight=kept.get(r.request.flight, -1)), r.content)
        for r in link.down
    )
    return link._replace(up=up, down=down)


def answer_of(content: Any) -> Answer:
    number, replies, name = content
    error = None if name is None else getattr(errors, name)("")
    return Answer(number, list(replies), error)


def describe(content: Any) -> str:
    if isinstance(content, Welcome):
        return f"welcome {named(content.producer)}, epoch {content.epoch}, next {content.next}"
    number, replies, name = content
    done = " ".join(json.loads(reply)["ok"] for reply in replies)
    return f"next {number}" + (f", replies {done}" if done else "") + (f", {name}" if name else "")


def ids(batch: Batch) -> str:
    return "+".join(id_of(text) for text in batch.messages)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Search all states of the delivery's protocol.")
    parser.add_argument("--faults", type=int, default=2, help="how many may happen")
    parser.add_argument("--kinds", nargs="*", choices=FAULTS, default=FAULTS, help="of faults")
    parser.add_argument("--unconfirmed", type=int, default=20, help="replies that the inbox keeps")
    parser.add_argument("--broken", choices=BROKEN, help="a rule to break")
    options = parser.parse_args(arguments)
    rules = BROKEN.get(options.broken, Rules)()
    search = Search(rules, options.faults, options.kinds, options.unconfirmed)
    began = time.process_time()
    search.run(stop_at_first=options.broken is not None)
    seconds = time.process_time() - began
    print(
        f"{len(search.parents):,} states, {search.edges:,} steps, depth {search.depth}, "
        f"up to {options.faults} faults: {len(INVARIANTS)} invariants, "
        f"{len(search.counterexamples)} violated ({seconds:.1f} s)"
    )
    for found in search.counterexamples.values():
        print(f"\n{found.invariant}: {INVARIANTS[found.invariant]}")
        for number, step in enumerate(found.steps, 1):
            print(f"{number:4}. {step}")
    return bool(search.counterexamples)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

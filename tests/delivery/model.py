"""An exhaustive search over a small world around the state machines of the delivery.

    python tests/delivery/model.py [--faults 2] [--kinds cut forget]

The world: an outbox on a disk, an inbox on another disk, and a network. The outbox gets two
messages with equal payloads. Faults happen at any moment, up to a number: see `FAULTS`. No packet
is so late that its producer was forgotten meanwhile.

`SendWindow`, and the functions of `inbox_state` and `message`, are the real ones. What is written
here is what lies between them and the disks: the order of the steps in `relay.py`, `outbox.py` and
`inbox.py`. The search is breadth-first, so a counterexample is as short as they come.

What it found, and what therefore is a limit: a copy of an outbox from before it has stored that
the inbox knows it, restored after the inbox has forgotten the producer, has its messages applied
again (`--kinds restore forget`).
"""

import argparse
import functools
import itertools
import json
import sys
import time
from collections import deque, namedtuple
from dataclasses import replace

from sio_demo import errors
from sio_demo.delivery import inbox_state
from sio_demo.delivery.inbox_state import Progress, StoredReply, advanced, checked
from sio_demo.delivery.message import LARGEST, Answer, Batch, Hello, Welcome, id_of, read_message
from sio_demo.delivery.send_window import SendWindow, worth_a_retry

MESSAGES = 2  # sequence numbers in use
WINDOW = 16  # so that two messages travel in one batch or in two
WHO = Hello("00000000-0000-4000-8000-000000000000")
NEVER = 99

INVARIANTS = {
    "once": "No message is applied twice in one history of the inbox.",
    "order": "No message is applied before, or without, those sent before it.",
    "reply": "A receipt gets the reply to its own message.",
    "answered": "After a welcome, all that the outbox has an answer for is applied.",
    "stuck": "Nothing is refused for good unless a store was restored, copied or forgotten.",
    "named": "A refusal for good has a name of its own.",
    "delivered": "If faults end, all that was accepted is applied, or refused by name.",
    "confirmed": "The inbox deletes no reply that the outbox may need after a restart.",
    "stored": "A message, and that it is known, is on disk before a packet with it leaves.",
    "fenced": "Once an outbox started later is welcomed, nothing of an earlier one is applied.",
    "kept": "The inbox has a reply for each applied number that is not confirmed.",
    "barred": "After a refusal for good, nothing more of that connection is applied.",
}
FAULTS = {
    "kill": "a process is killed, of the outbox or of the inbox, between any two steps",
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

Text = namedtuple("Text", "text")
Disk = namedtuple("Disk", "known epoch base after texts", defaults=(False, 0, 0, "", ()))
# flying: a batch that the window has not rewound
Request = namedtuple("Request", "body sender flying")
# phase: new, greeting, known, ready; down: pairs of a request and its answer
Link = namedtuple("Link", "phase welcome up down", defaults=("new", None, (), ()))
# accepted: ids of all messages that the disk has ever taken; window: None while the process is
# down; saving: base and texts on disk of which the window is not told yet
Outbox = namedtuple("Outbox", "name branch starts accepted disk window saving refused link")
Ledger = namedtuple("Ledger", "progress kept effects", defaults=(None, (), ()))
# outboxes and the ledger by their numbers; second: -1 if there is none; copy: -1 if there is none
# yet, -2 if it was restored; faults: how many are left
World = namedtuple("World", "first second ledger faults late outbox_copy inbox_copy damage")
# fair: the lowest is what happens next if there are no more faults
Move = namedtuple("Move", "label outbox fault fair late broken", defaults=("", NEVER, (), ()))


class Table(dict):
    """Numbers things, so that states are small: things by number, and numbers by thing."""

    def add(self, thing):
        if thing not in self:
            number = len(self) // 2
            self.update({thing: number, number: thing})
        return self[thing]


def hashable(batch):
    return replace(batch, messages=tuple(batch.messages))


NAMES = tuple(vars(SendWindow(WHO, 0, WINDOW)))


def freeze(window):
    """Return all that a window knows, hashable, without its statistics."""
    fields = vars(window) | {"sent": 0, "resent": 0, "_highest": 0}
    fields["messages"] = tuple(message.text for message in window.messages)
    fields["_flights"] = tuple(hashable(batch) for batch in fields["_flights"])
    fields["_replies"] = tuple(sorted(fields["_replies"].items()))
    return tuple(fields[name] for name in NAMES)


def thaw(outbox):
    fields = dict(zip(NAMES, outbox.window, strict=True))
    fields["messages"] = deque(Text(text) for text in fields["messages"])
    fields["_flights"] = list(fields["_flights"])
    fields["_replies"] = dict(fields["_replies"])
    window = SendWindow(WHO, 0, WINDOW)
    vars(window).update(fields)
    return window


def operated(outbox, window, **more):
    """Return an outbox after an operation on its window, which may have rewound batches."""
    outbox = outbox._replace(window=freeze(window), **more)
    if outbox.link is None:
        return outbox

    def still(request):
        return request._replace(flying=request.flying and request.body in window._flights)

    up = tuple(still(request) for request in outbox.link.up)
    down = tuple((still(request), content) for request, content in outbox.link.down)
    return outbox._replace(link=outbox.link._replace(up=up, down=down))


def refused(label, error, outbox):
    name = type(error).__name__
    return f"{label}, {name}, and gives up", outbox._replace(refused=name)


def answer_of(content):
    number, replies, name = content
    return Answer(number, list(replies), name and getattr(errors, name)(""))


def is_final(request, content):
    """Return whether this answer to a batch is a refusal for good."""
    if isinstance(request.body, Hello) or (error := answer_of(content).error) is None:
        return False
    jumps = type(error) is errors.SequenceError and content[0] <= request.body.first
    return not jumps and not worth_a_retry(error)


def describe(content):
    if isinstance(content, Welcome):
        return f"welcome, next {content.next}"
    number, replies, error = content
    done = " ".join(json.loads(reply)["ok"][:2] for reply in replies)
    return ", ".join(filter(None, (f"next {number}", done and f"replies {done}", error)))


def ids(batch):
    return "+".join(id_of(text)[:2] for text in batch.messages)


class Search:
    """Visits every world that can be reached; finds the shortest way to break an invariant."""

    known_late = False  # to see what comes of it

    def __init__(self, faults, kinds=FAULTS, unconfirmed=20):
        self.kinds, self.unconfirmed = frozenset(kinds), unconfirmed
        self.outboxes, self.ledgers = Table(), Table()
        self.found, self.parents = {}, {}
        self.fair = {}  # what follows without faults; None: an invariant breaks, which is shown
        for name in ("local", "serve", "hold"):
            setattr(self, name, functools.cache(getattr(self, name)))
        outbox = Outbox("A", "a", 0, (), Disk(), None, None, "", None)
        first, ledger = self.outboxes.add(outbox), self.ledgers.add(Ledger())
        self.start = World(first, -1, ledger, faults, (), -1, -1, False)

    def run(self, stop_at_first=False):
        self.parents[self.start] = (None, "")
        queue = deque([self.start])
        while queue and not (stop_at_first and self.found):
            world, best = queue.popleft(), NEVER
            for label, fair, after, broken in self.moves(world):
                broken = (*broken, *self.broken(after))
                for invariant in broken:
                    self.note(invariant, world, label)
                if fair < best:
                    best, self.fair[world] = fair, None if broken else after
                if not broken and after not in self.parents:
                    self.parents[after] = (world, sys.intern(label))
                    queue.append(after)
        if not (stop_at_first and self.found):
            self.check_delivery()
        return self

    def note(self, invariant, world, label):
        if invariant not in self.found:
            steps = self.found[invariant] = [label]
            while (parent := self.parents[world])[0]:
                world = parent[0]
                steps.insert(0, parent[1])

    def check_delivery(self):
        """Follow what happens without more faults, from every world."""
        verdicts = {None: True}
        for world in self.parents:
            here, path = world, []
            while here not in verdicts:
                verdicts[here] = here not in self.fair and self.delivered(here)
                path.append(here)  # if the path comes back here, it never ends well
                here = self.fair.get(here, here)
            verdicts.update(dict.fromkeys(path, verdicts[here]))
            if not verdicts[world]:
                self.note("delivered", world, "and then nothing helps")

    def present(self, world):
        return [self.outboxes[n] for n in world[:2] if n >= 0]

    def delivered(self, world):
        effects = set(self.ledgers[world.ledger].effects)
        return all(
            o.refused or (o.window and not thaw(o).messages and set(o.accepted) <= effects)
            for o in self.present(world)
        )

    def broken(self, world):
        return [b for n in world[:2] if n >= 0 for b in self.hold(n, world.ledger, world.damage)]

    def hold(self, number, ledger_number, damage):
        """Return which invariants a state breaks."""
        outbox, ledger = self.outboxes[number], self.ledgers[ledger_number]
        progress, effects = ledger.progress or Progress(), ledger.effects
        places = [effects.index(name) if name in effects else NEVER for name in outbox.accepted]
        ready = outbox.link and outbox.link.phase == "ready" and not outbox.refused
        answered = outbox.accepted[: thaw(outbox).base] if ready else ()
        broken = {
            "once": len(set(effects)) < len(effects),
            "order": any(a >= b for a, b in itertools.pairwise(places) if b < NEVER),
            "stuck": outbox.refused and not damage,
            "named": outbox.refused in ("DeliveryError", "BatchError", "StoreError"),
            "answered": not set(answered) <= set(effects),
            "kept": [n for n, _ in ledger.kept] != list(range(progress.floor, progress.next)),
            "confirmed": progress.floor > outbox.disk.base and not damage,
        }
        return [name for name, is_broken in broken.items() if is_broken]

    # --- all that can happen: label, fair, what follows, invariants broken ----------------

    def moves(self, world):
        for place, number in enumerate(n for n in world[:2] if n >= 0):
            for move in self.local(number):
                if self.may(world, move.fault):
                    after = self.put(world, place, move.outbox, move.fault)
                    late = tuple(sorted(world.late + move.late, key=repr))
                    yield move.label, move.fair, after._replace(late=late), move.broken
            yield from self.requests(world, place, self.outboxes[number])
        for index, request in enumerate(world.late):
            left = world.late[:index] + world.late[index + 1 :]
            for label, fault, ledger, _, broken in self.serve(request, world.ledger):
                if not fault:
                    label = f"late, the inbox gets {request.sender}'s {label}"
                    yield label, NEVER, world._replace(ledger=ledger, late=left), broken
        for label, after in self.damages(world):
            yield label, NEVER, after, ()

    def may(self, world, fault):
        return not fault or (world.faults > 0 and fault in self.kinds)

    def put(self, world, place, number, fault=""):
        name = ("first", "second")[place]
        return world._replace(**{name: number, "faults": world.faults - bool(fault)})

    def requests(self, world, place, outbox):
        if outbox.link is None or not outbox.link.up:
            return
        request = outbox.link.up[0]
        for label, fault, ledger, content, broken in self.serve(request, world.ledger):
            if not self.may(world, fault):
                continue
            label, after = f"the inbox gets {outbox.name}'s {label}", world._replace(ledger=ledger)
            if content is None:
                yield label, NEVER, self.all_cut(after._replace(faults=world.faults - 1)), broken
                continue
            grows = len(self.ledgers[ledger].effects) > len(self.ledgers[world.ledger].effects)
            if grows and (outbox.refused or any(itertools.starmap(is_final, outbox.link.down))):
                broken = (*broken, "barred")
            up = outbox.link.up if fault == "twice" else outbox.link.up[1:]
            down = () if outbox.refused else (*outbox.link.down, (request, content))
            answered = outbox._replace(link=outbox.link._replace(up=up, down=down))
            after = self.put(after, place, self.outboxes.add(answered), fault)
            yield label, NEVER if fault else 4, after, broken

    def all_cut(self, world):
        for place, outbox in enumerate(self.present(world)):
            world = self.put(world, place, self.outboxes.add(outbox._replace(link=None)))
        return world

    def damages(self, world):
        """Restore copies, which are taken at no cost, and forget the producer."""
        machine, disk = self.may(world, "resume"), self.may(world, "restore")
        damaged = world._replace(damage=True, faults=world.faults - 1)
        if world.outbox_copy == -1 and (machine or disk):
            yield "A is copied", world._replace(outbox_copy=world.first)
        elif world.outbox_copy >= 0:
            copied = self.outboxes[world.outbox_copy]._replace(link=None, branch="b")
            kinds = {"disk": copied._replace(window=None, saving=None, refused="")} if disk else {}
            if machine and copied.window is not None:
                kinds["machine"] = copied
            for what, outbox in kinds.items():
                after, beside = damaged._replace(outbox_copy=-2), outbox._replace(name="B")
                yield f"the {what} of A is restored", self.put(after, 0, self.outboxes.add(outbox))
                yield f"the {what} of A runs as B", self.put(after, 1, self.outboxes.add(beside))
        if self.may(world, "backup"):
            if world.inbox_copy == -1:
                yield "the inbox is copied", world._replace(inbox_copy=world.ledger)
            elif world.inbox_copy >= 0:
                after = damaged._replace(ledger=world.inbox_copy, inbox_copy=-2)
                yield "the inbox is restored", self.all_cut(after)
        ledger, connected = self.ledgers[world.ledger], any(o.link for o in self.present(world))
        if self.may(world, "forget") and ledger.progress and not connected:
            number = self.ledgers.add(ledger._replace(progress=None, kept=()))
            yield "the inbox forgets", damaged._replace(ledger=number, late=())

    # --- the outbox ----------------------------------------------------------------------

    def local(self, number):
        """Return what an outbox can do, or suffer, by itself."""
        outbox, moves = self.outboxes[number], []
        disk, link = outbox.disk, outbox.link

        def add(label, after, **more):
            moves.append(Move(f"{outbox.name} {label}", self.outboxes.add(after), **more))

        if outbox.window is None:
            starts, disk = outbox.starts + 1, disk._replace(epoch=disk.epoch + 1)
            who = Hello(WHO.producer, disk.known, disk.epoch, f"{outbox.branch}{starts}")
            window = SendWindow(who, disk.base, WINDOW, disk.after)
            window.accept(Text(text) for text in disk.texts)
            add("starts", operated(outbox, window, disk=disk, starts=starts), fair=0)
            return moves
        lost = outbox._replace(link=None)
        dead = lost._replace(window=None, saving=None, refused="")
        add("is killed", dead, fault="kill")
        if link:
            add("loses its connection", lost, fault="cut")
        if link and link.up:
            add("is cut off, and its packets are late", lost, fault="late", late=link.up)
        if outbox.refused:
            return moves
        window = thaw(outbox)
        if outbox.saving is not None:
            told = thaw(outbox)
            told.confirmed, texts = outbox.saving
            told.accept(Text(text) for text in texts)
            add("knows that it is saved", operated(outbox, told, saving=None), fair=5)
        elif window.next < MESSAGES:
            name = f"{window.next}{outbox.branch}" * 8
            saved = self.saved(outbox, window, (json.dumps([name, "e", 0]),))
            add(f"stores {name[:2]}", saved._replace(accepted=(*outbox.accepted, name)))
        if outbox.saving is None and window.confirmed < window.base:
            fair = 6 if window.worth_a_save else NEVER
            add(f"saves base {window.base}", self.saved(outbox, window, ()), fair=fair)
        if self.known_late and window.known and not disk.known:
            late = outbox._replace(disk=disk._replace(known=True))
            add("stores that it is known", late, fair=9)
        if link is None:
            window.lost()
            add("connects", operated(outbox, window, link=Link()), fair=1)
            return moves
        if link.phase == "new":
            hello = window.hello()
            up = (*link.up, Request(hello, hello.start, False))
            words = f"says hello, epoch {hello.epoch}, {'' if hello.known else 'not '}known"
            add(words, outbox._replace(link=link._replace(phase="greeting", up=up)), fair=2)
        elif link.phase == "known":
            add(*self.go_on(outbox, window, link.welcome), fair=3)
        for index, (request, content) in enumerate(link.down):
            rest = link._replace(down=link.down[:index] + link.down[index + 1 :])
            hear = self.hear_welcome if isinstance(request.body, Hello) else self.hear_answer
            heard = hear(outbox._replace(link=rest), thaw(outbox), request, content)
            add(*heard[:2], fair=NEVER if index else 3, broken=heard[2:])
        if link.phase == "ready" and (made := window.next_batch()) is not None:
            batch = window._flights[-1] = hashable(made)
            up = (*link.up, Request(batch, window.identity.start, True))
            after = operated(outbox, window, link=link._replace(up=up))
            on_disk = set(disk.texts[batch.first - disk.base :]) >= set(batch.messages)
            stored = on_disk and (disk.known or self.known_late)
            words = f"sends {ids(batch)} from {batch.first}, confirms {batch.confirmed}"
            add(words, after, fair=8, broken=() if stored else ("stored",))
        return moves

    def saved(self, outbox, window, texts):
        """Save messages, and the base with them; the window is told later."""
        left = outbox.disk.texts[window.base - outbox.disk.base :]
        disk = outbox.disk._replace(base=window.base, after=window.after, texts=(*left, *texts))
        return outbox._replace(disk=disk, saving=(window.base, texts))

    def go_on(self, outbox, window, welcome):
        """Act upon a welcome, as `Relay._go_on_from` does once it is stored."""
        try:
            window.welcomed(welcome)
        except errors.DeliveryError as error:
            return refused("is welcome", error, outbox)
        ready = outbox.link._replace(phase="ready", welcome=None)
        return "is welcome, and may send", operated(outbox, window, link=ready)

    def hear_welcome(self, outbox, window, _, content):
        """Hear the answer to a hello. A second one, to a doubled packet, is ignored."""
        link = outbox.link
        if link.phase != "greeting":
            return "ignores a welcome", outbox
        if isinstance(content, Welcome):
            if window.known or self.known_late:
                return self.go_on(outbox, window, content)
            window.known, disk = True, outbox.disk._replace(known=True)
            heard = link._replace(phase="known", welcome=content)
            return "stores that it is known", operated(outbox, window, disk=disk, link=heard)
        error = answer_of(content).error
        if worth_a_retry(error):
            return f"hears {content[2]}", outbox._replace(link=link._replace(phase="new"))
        return refused("says hello", error, outbox)

    def hear_answer(self, outbox, window, request, content):
        """Hear the answer to a batch, as `Relay._answered` does."""
        flight = [batch for batch in window._flights if batch == request.body and request.flying]
        batch, answer = flight[0] if flight else replace(request.body), answer_of(content)
        current = window.expects(batch)
        helps = answer.error is None or window.refused(batch, answer)
        done = window.answered(batch, answer)
        wrong = any(json.loads(reply) != {"ok": id_of(m.text)} for m, reply in done)
        after = operated(outbox, window)
        label = f"is answered {' '.join(id_of(m.text)[:2] for m, _ in done) or 'nothing'}"
        if current and not helps:
            label, after = refused(label, answer.error, after)
        return label, after, *(["reply"] if wrong else [])

    # --- the inbox -----------------------------------------------------------------------

    def serve(self, request, number):
        """Return what a request can lead to: label, fault, ledger, answer, invariants broken.

        Without an answer, the process has died.
        """
        ledger, body = self.ledgers[number], request.body
        hello = isinstance(body, Hello)
        what = "hello" if hello else f"{ids(body)} from {body.first}"
        results = [
            (f"{what}, and dies", "kill", number, None, ()),
            (f"{what}: StoreError", "trouble", number, (0, (), "StoreError"), ()),
        ]
        for limit in (None, *range(0 if hello else len(body.messages))):
            try:
                apply = self.welcome if hello else self.apply
                after, content, broken = apply(ledger, request, limit)
            except errors.DeliveryError as error:
                expected = ledger.progress.next if ledger.progress and not hello else 0
                after, content, broken = ledger, (expected, (), type(error).__name__), ()
            new, words = self.ledgers.add(after), f"{what}: {describe(content)}"
            if limit is None:
                results.append((words, "", new, content, broken))
                results.append((f"{words}, twice", "twice", new, content, broken))
                if new != number:
                    results.append((f"{words}, commits, and dies", "kill", new, None, broken))
            elif content[2] == "Retry":
                results.append((words, "trouble", new, content, broken))
        return results

    def welcome(self, ledger, request, _):
        progress = inbox_state.welcomed(request.body, ledger.progress, None)
        welcome = Welcome(
            progress.next, progress.last, progress.floor, 500, LARGEST, self.unconfirmed
        )
        return ledger._replace(progress=progress), welcome, ()

    def apply(self, ledger, request, limit):
        """Apply a batch, as `Inbox._apply` does; message number `limit` raises Retry."""
        batch: Batch = request.body
        progress = checked(ledger.progress, None)
        old = inbox_state.duplicates(batch, progress)
        if batch.end - max(progress.floor, batch.confirmed) > self.unconfirmed:
            raise errors.QuotaError("too many")
        stored = dict(ledger.kept)
        kept = [stored[batch.first + n] for n in range(old)]
        messages = [read_message(text) for text in batch.messages]
        inbox_state.check_same(batch, messages, kept, progress)
        names = [id_of(text) for text in batch.messages[old:limit]]
        new = [StoredReply(name, json.dumps({"ok": name})) for name in names]
        why = None if limit is None or limit < old else "Retry"
        ahead = advanced(batch, progress, new)
        stored |= dict(enumerate(new, batch.first + old))
        left = tuple((n, one) for n, one in stored.items() if n >= ahead.floor)
        replies = tuple(one.reply for one in kept + new)
        broken = ("fenced",) if new and request.sender != progress.start else ()
        return Ledger(ahead, left, (*ledger.effects, *names)), (ahead.next, replies, why), broken


def main(arguments):
    parser = argparse.ArgumentParser(description="Search all states of the delivery's protocol.")
    parser.add_argument("--faults", type=int, default=1, help="how many may happen")
    parser.add_argument("--kinds", nargs="*", choices=FAULTS, default=FAULTS, help="of faults")
    parser.add_argument("--unconfirmed", type=int, default=20, help="replies that the inbox keeps")
    options = parser.parse_args(arguments)
    search = Search(**vars(options)).run()
    states, seconds = len(search.parents), time.process_time()
    print(f"{states:,} states, {len(search.found)} invariants violated ({seconds:.0f} s)")
    for invariant, steps in search.found.items():
        print(f"\n{invariant}: {INVARIANTS[invariant]}")
        print(*(f"{number:4}. {step}" for number, step in enumerate(steps, 1)), sep="\n")
    return bool(search.found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

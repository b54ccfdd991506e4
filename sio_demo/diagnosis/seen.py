"""What was seen of one message: five counters and further clues; None for what is not known."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args, get_type_hints

from ..counters import Counters
from ..errors import UsageError

Recipient = Literal["client", "server"]
Language = Literal["python", "javascript"]
Sids = frozenset[str]


@dataclass(frozen=True)
class Clues:
    """What is known about a message besides its counters; None means not known."""

    recipient: Recipient | None = None  # who handles it
    client: Language | None = None  # the library on that side: in Python, a second handler
    server: Language | None = None  # replaces the first; in JavaScript, listeners add up
    event: str | None = None  # "connect" for the connection itself
    namespace: str | None = None
    listens: str | None = None  # where else it is listened to: another namespace, or server
    whose: bool | None = None  # its sids are those of one user, as user=... has told
    reconnects: int | None = None  # of the client, when the message came
    connections: int | None = None  # on which its copies came
    clients: int | None = None  # to which it came, if only clients are observed
    servers: int | None = None  # that its copies passed; one that was restarted counts as two
    queue: bool | None = None  # the server has a message queue, or an adapter that reaches others
    recovery: bool | None = None  # the server has connectionStateRecovery
    strangers: int | None = None  # live sids that were never an observed client's
    gone: bool | None = None  # the client of a live sid that is too many is gone
    emitted: int | None = None  # calls of emit() for it, at the ends that can send it
    places: str | None = None  # the lines that called it, such as "chat.py:12, chat.py:30"
    kin: bool | None = None  # it was called there for others of this event, not for this one
    rooms: int | None = None  # for which it was called, different ones
    elsewhere: bool | None = None  # emit() was called on another server object than the client's
    reached: int | None = None  # sessions that the last emit() was for; 0 for an empty room
    skipped: bool | None = None  # the last emit() left out the client, or somebody in the room
    room: str | None = None  # what the last emit() was for, if it reached nobody
    ghosts: int | None = None  # sids in it whose sessions have ended
    vacant: bool | None = None  # nobody ever was in that room, since the server started
    astray: bool | None = None  # nobody is there, but in another namespace somebody is
    lookalike: bool | None = None  # nobody is there, but in a room that is written alike
    sid: str | None = None  # it is one: "live", "ended", "skipped", in another namespace "astray"
    raised: bool | None = None  # the last emit() raised an exception
    other_loop: bool | None = None  # it was called in another event loop than the connection's
    held: bool | None = None  # the process that called it was blocked just then
    untimed: bool | None = None  # it asked a room for acknowledgements, without a timeout()
    volatile: bool | None = None  # the last emit() was volatile
    away: bool | None = None  # emit() came while the client was not connected
    here: bool | None = None  # one of its calls came while the client was connected
    arrived: bool | None = None  # a packet of it reached the recipient
    died: bool | None = None  # the sessions that it was sent to have ended since
    large: bool | None = None  # it is longer than the server takes, 1 MB by default
    queued: int | None = None  # the most packets that waited for one POST; 0 over WebSocket
    acknowledged: bool | None = None  # the sender waits for an acknowledgement
    answered: bool | None = None  # an acknowledgement came to the sender
    alike: bool | None = None  # some of its listeners are the same, or written the same
    timed_out: bool | None = None  # the sender had given up waiting, and sent it again
    overlapped: bool | None = None  # a call of the event started while another was running
    failed: bool | None = None  # its handler raised, or does not accept its arguments
    late: bool | None = None  # there was no listener when it came, and there is one now
    unheard: str | None = None  # an event that came, and for which there was no listener
    dropped: bool | None = None  # its client was gone before a JavaScript server's listener ran
    welcomed: bool | None = None  # a "connection" listener is there, if it has no listener itself
    busy: str | None = None  # the event of a handler that is still running there
    behind: str | None = None  # the event of a long call there that ended just before its own
    worked: bool | None = None  # another message of this event was handled
    once: bool | None = None  # by a listener that once() has registered
    early: bool | None = None  # it came to, or from, the client before that was connected
    greeted: bool | None = None  # an event had come to that client before it was connected
    connected: bool | None = None  # what the client says of itself now
    before: bool | None = None  # the client was ever connected
    refused: bool | None = None  # an attempt to connect has failed since the last connection
    rejected: bool | None = None  # the server has answered such an attempt with a rejection
    reason: str | None = None  # why the last connection ended, in the library's words, or ""
    always: bool | None = None  # it happens to every message of this event, not only to some
    grows: bool | None = None  # there is one more after every reconnect
    fresh: bool | None = None  # its client was coming back, and loading what it had missed
    own: bool | None = None  # the client that handles it shows it itself when it sends it
    doubled: bool | None = None  # its effect is there more than once
    ids: bool | None = None  # the recipient compares ids to recognize copies

    def __post_init__(self) -> None:
        for name, value in self.known().items():
            kind, choices = _KINDS[name], get_args(_KINDS[name])
            wrong = type(value) is not kind or (kind is int and value < 0)
            if value not in choices if choices else wrong:
                listed = f"one of {' or '.join(map(repr, choices))}"
                raise UsageError(f"{name} is {_WORDS.get(kind, listed)}, not {value!r}.")

    def known(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


_KINDS = {name: get_args(kind)[0] for name, kind in get_type_hints(Clues).items()}
_WORDS = {str: "a text", int: "a whole number, 0 or more", bool: "True or False"}


@dataclass(frozen=True)
class Seen:
    """One message as it was seen: :class:`~sio_demo.counters.Counters`, None if not counted."""

    listeners: int | None = None
    sids: int | None = None
    packets: int | None = None
    calls: int | None = None
    effects: int | None = None
    clues: Clues = field(default_factory=Clues)  # what else is known
    args: str | None = None  # its arguments as JSON, or how they begin; None with a key()
    # Sids by what is known of them: that observed clients have or had them ("own"); that they were
    # "live" then, or "ever"; that it was "sent" to them, that emit() left them out ("skipped"), or
    # that they had gone "out" of its room.
    who: Mapping[str, Sids] = field(default_factory=dict)
    also: tuple[str, ...] = ()  # the arguments of other messages of this event that came there
    apart: tuple[str, ...] = ()  # the arguments of another message that was given with it

    def __post_init__(self) -> None:
        for name, value in zip(Counters._fields, self.counters, strict=True):
            if value is not None and (type(value) is not int or value < 0):
                raise UsageError(
                    f"{name} counts something: a whole number, 0 or more, not {value!r}; None if "
                    "it was not counted."
                )

    @property
    def counters(self) -> tuple[int | None, int | None, int | None, int | None, int | None]:
        return (self.listeners, self.sids, self.packets, self.calls, self.effects)

    def __str__(self) -> str:
        pairs = zip(Counters._fields, self.counters, strict=True)
        return ", ".join(f"{name} {'?' if count is None else count}" for name, count in pairs)

    def with_clues(self, **clues: Any) -> Seen:
        """Return a copy with more clues, which override others; UsageError says what is none."""
        names = [each.name for each in fields(Clues)]
        for name in clues:
            if name not in names:
                raise UsageError(f"There is no clue {name!r}. There are: {', '.join(names)}.")
        return replace(self, clues=replace(self.clues, **clues))

    @classmethod
    def of(cls, what: Any) -> Seen:
        """Convert counters, or the snippet's JSON; UsageError says that it is no such thing."""
        if isinstance(what, Seen):
            return what
        if isinstance(what, str):
            return cls._of_json(what)
        if isinstance(what, (tuple, list)) and len(what) == len(Counters._fields):
            return cls(*what)
        raise UsageError(
            "Give the five counters, such as Counters(4, 1, 1, 4, 4), or what "
            f"`seen.message(event)` gave, or its JSON from JavaScript; not {what!r}."
        )

    @classmethod
    def _of_json(cls, text: str) -> Seen:
        try:
            given = json.loads(text)
            counters = {name: given.pop(name) for name in Counters._fields}
            clues, args, also = given.pop("clues"), given.pop("args", None), given.pop("also", ())
            sids = given.pop("who", {}).items()
            if given or not isinstance(clues, dict):
                raise KeyError
        except (ValueError, KeyError, AttributeError, TypeError):
            raise UsageError(
                "This is not the JSON of one message: copy the whole line that "
                f"JSON.stringify(seen.message(event)) printed, not {text[:60]!r}."
            ) from None
        who = {key: frozenset(each) for key, each in sids if each is not None}
        return cls(**counters, args=args, also=tuple(also), who=who).with_clues(**clues)

    @classmethod
    def together(cls, several: Iterable[Seen]) -> Seen:
        """Combine what was seen of one message in several places, such as client and server.

        Each place sees only a part, so the greatest number counts; what several clients counted,
        and the calls of emit(), add up. Of its own connection a client knows best. If they are
        different messages, it is the one whose sender is among them.
        """
        given = list(several)
        unique = [seen for place, seen in enumerate(given) if seen not in given[:place]]
        named = [seen for seen in unique if seen.args is not None] or unique or [Seen()]
        main = next((seen for seen in named if seen.clues.emitted), named[0])
        way = main.clues.recipient
        back = [s for s in unique if way and s.clues.recipient not in (None, way)]
        apart = [s for s in named if s.args and main.args and _value(s.args) != _value(main.args)]
        parts = [s._about(main) if s in apart and s not in back else s for s in unique]
        parts = [replace(Seen(), who=s.who) if s in back else s for s in parts]
        space = main.clues.namespace
        other = [p.clues.namespace for p in parts if p.clues.namespace != space and p.listeners]
        parts = [p if p.clues.namespace in (None, space) else cls(who=p.who) for p in parts]
        parts.sort(key=lambda part: part.clues.client is None)
        servers = sum(part.clues.server is not None for part in parts)
        known: dict[str, Any] = {"emitted": _known(sum, (p.clues.emitted for p in parts))}
        known |= {"listens": other[0]} if space and other else {}
        known |= {"servers": servers} if servers > 1 else {}
        known |= {"reason": why_ended([part.clues.reason for part in parts])}
        clues: dict[str, Any] = {}
        who: dict[str, Sids] = {}
        for part in parts:
            clues = {**part.clues.known(), **clues}
            who |= {key: who.get(key, frozenset()) | sids for key, sids in part.who.items()}
        others = [f"{seen.args or 'one'} for the {seen.clues.recipient}" for seen in back]
        others += [str(seen.args) for seen in apart if seen not in back]
        counters = _counted_together(parts)
        clues |= known | {name: counters.pop(name) for name in _ADD_UP}
        rest = {"clues": Clues(**clues), "args": main.args, "who": who, "apart": tuple(others)}
        return cls(**{**counters, **rest}).settled()

    def _about(self, main: Seen) -> Seen:
        """Return what it tells about another message: of the client, and whether that came."""
        known = {name: getattr(self.clues, name) for name in _OF_CLIENT}
        came = any(_value(args) == _value(main.args) for args in self.also)
        if self.calls is None or came:
            return Seen(clues=Clues(**known), who=self.who)
        known |= {"arrived": False, "worked": self.calls > 0}
        return Seen(self.listeners, calls=0, clues=Clues(**known), who=self.who)

    def settled(self) -> Seen:
        """Return it with what the sids of both ends tell together."""
        clues, who, own = self.clues, self.who, self.who.get("own", frozenset())
        sids, packets, calls, told = self.sids, self.packets, self.calls, dict[str, Any]()
        sender, recipients = ("own", "live") if clues.recipient == "server" else ("live", "own")
        if clues.recipient and packets == 0 and recipients in who:
            told["arrived"], calls = False, calls or 0
        if self.args and len(self.args) < 200 and not re.search(r'\d|id"', self.args, re.I):
            told["ids"] = False  # nothing in it can be one
        if self.effects is not None:
            told["doubled"] = self.effects > 1
        if own and "live" in who:
            told["strangers"] = len(who["live"] - own)
        if clues.recipient and clues.emitted == 0 and who and sender not in who:
            clues = replace(clues, emitted=None, kin=None)  # the end that sends was not observed
        if "skipped" in who:
            clues = replace(clues, skipped=bool((own or who["skipped"]) & who["skipped"]))
        if clues.recipient == "client":  # only a server has these limits
            told |= {"large": False, "queued": 0}
        to_client = clues.recipient == "client" and clues.emitted != 0
        if to_client and own and "ever" in who and not own & who["ever"]:
            told["elsewhere"] = True
        elsewhere = clues.elsewhere or told.get("elsewhere")
        if to_client and clues.reached is not None and "live" in who and (own or not who["live"]):
            here = bool(own & who["live"])
            told["away"] = None if elsewhere and not here else not here
            sids = None if elsewhere and not here else sids  # they are of another server
        told = {name: fact for name, fact in told.items() if getattr(clues, name) is None}
        if sids == 0 and (clues.arrived or (clues.queue and clues.connected and clues.before)):
            sids = None  # it was sent again, when the client was back; or another server has it
        if to_client and not clues.arrived and own and not own & who.get("sent", own):
            packets = 0
            told |= {"reached": 0, "connections": None, "acknowledged": None}
        if elsewhere and not clues.arrived:
            told |= {"servers": 2} if clues.queue else {"emitted": 0, "kin": False, "reached": None}
        clues = replace(clues, **told)
        return replace(self, sids=sids, packets=packets, calls=calls, clues=clues)


def why_ended(reasons: Iterable[str | None]) -> str | None:
    """Return the reason that says most; the first is the client's, which knows its connection."""
    known = [reason for reason in reasons if reason is not None]
    pinged = "ping timeout" in known and known[0].startswith("transport")
    return "ping timeout" if pinged else next(iter(known), None)


_ADD_UP = ("connections", "clients")  # clues that do
_OF_CLIENT = ["client", "server", "connected", "before", "refused", "rejected", "reason", "queued"]


def _counted_together(parts: list[Seen]) -> dict[str, Any]:
    """Return the counters of all parts, and the clues that add up."""
    alone = [part for part in parts if part.who.get("own") and part.clues.server is None]
    clients = [*{part.who["own"]: part for part in alone}.values()]  # of each, what came last
    groups = [clients, *([part] for part in parts if part not in clients)]
    total = {}
    for name in (*Counters._fields, *_ADD_UP):
        counts = [[getattr(p.clues if name in _ADD_UP else p, name) for p in g] for g in groups]
        total[name] = _known(max, [_known(sum, group) for group in counts])
    return total


def _known(combine: Callable[[list[int]], int], counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return combine(known) if known else None


def _value(args: str | None) -> Any:
    """Return arguments as they compare: 1.0 of Python is 1 of JavaScript."""
    try:
        return json.loads(args or "")
    except ValueError:  # only their beginning is there
        return args

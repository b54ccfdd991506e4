"""Counts in a running python-socketio application without changing what it does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .seen import Clues, Recipient, Seen, Sids, why_ended
from .tally import Emits, Key, MessageCounts, Name, Tally

if TYPE_CHECKING:
    from .client_probe import ClientProbe
    from .probes import Probe, UserOf
    from .server_probe import ServerProbe

KEEP = 1000  # messages
LONGEST_KEY = 200  # characters
ALSO = 100  # other messages that are told with one
SNIPPET = Path(__file__).with_name("observe.js")


def observe(
    *ends: Any, key: Key | None = None, user: UserOf | None = None, keep: int = KEEP
) -> Observer:
    """Count messages at clients and servers of a python-socketio application.

    Start before the first connection: one that starts later does not know how often a client has
    reconnected. Messages take longer, so close it when you have found the cause, or use it in a
    ``with``. Print it for a table. The clients among the `ends` must belong to one user; of
    Flask-SocketIO give the attribute ``server``. Counts are kept for the latest `keep` messages.

    `key` returns, of an event and the tuple of its arguments, what the copies of one message have
    in common, such as an id; without it, messages with equal arguments are the same. `user` returns
    the user of a sid, so that each is counted apart; without it, all sids belong to one.
    UsageError says that an argument is of another type, or that there is nothing to observe.
    """
    # They import socketio: here the caller has it, and `diagnose` needs none.
    from .client_probe import CLIENTS, ClientProbe
    from .server_probe import SERVERS, ServerProbe

    for end in ends:
        if not isinstance(end, CLIENTS + SERVERS):
            raise UsageError(
                "observe() takes a socketio.AsyncServer, Server, AsyncClient or Client, not "
                f"{end!r}. For Flask-SocketIO give its `.server`, for a SimpleClient its `.client`."
            )
    if not ends:
        raise UsageError("Give what is to be observed: observe(sio), or observe(sio, client).")
    for name, function in (("key", key), ("user", user)):
        if not (function is None or callable(function)):
            raise UsageError(f"{name} is a function, not {function!r}.")
    if not isinstance(keep, int) or keep < 1:
        raise UsageError(f"keep counts messages: 1 or more, not {keep!r}.")
    tally = Tally(key or _same_arguments, keep)
    clients = [ClientProbe(end, tally, user) for end in ends if isinstance(end, CLIENTS)]
    servers = [ServerProbe(end, tally, user) for end in ends if isinstance(end, SERVERS)]
    return Observer(tally, clients, servers)


def snippet() -> str:
    """Return JavaScript to paste, which defines an equivalent ``observe(socket)``."""
    return SNIPPET.read_text(encoding="utf-8")


def _json(value: Any) -> Any:
    return list(value) if isinstance(value, (bytes, bytearray)) else repr(value)


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_json)


def _same_arguments(_event: str, data: tuple[Any, ...]) -> Hashable:
    text = _ENCODER.encode(data)
    if len(text) <= LONGEST_KEY:
        return text
    return text[:LONGEST_KEY] + hashlib.sha256(text.encode()).hexdigest()


@dataclass(eq=False, repr=False)
class Observer(AbstractContextManager["Observer"]):
    """Counts messages at clients and servers; created by :func:`observe`."""

    _tally: Tally
    _clients: list[ClientProbe]
    _servers: list[ServerProbe]

    def message(
        self,
        event: str,
        *data: Any,
        recipient: Recipient | None = None,
        namespace: str | None = None,
        user: Hashable = None,
    ) -> Seen:
        """Return what was seen of the last message of an event, or of the one with `data`.

        The last is the one that was emitted last, even if it was lost, where the ends that send it
        are observed; elsewhere the one that came last. A connection's event is ``"connect"``.
        UsageError says that it was seen both ways, or that `key` or `user` raised.
        """
        if self._tally.errors:
            error = self._tally.errors.pop()
            raise UsageError(
                f"A message could not be counted: {error!r}. Does key(event, data) suit every "
                "event, and user(sid) every sid? (Ask again for what was counted.)"
            ) from error
        namespace = namespace or self._namespace(event)

        def asked_for(name: Name) -> bool:
            is_event = (name.event, name.namespace) == (event, namespace)
            return is_event and recipient in (None, name.recipient)

        came = (each for each in self._tally.messages() if asked_for(each[0]))
        messages = [(n, m) for n, m in came if user in (None, n.user) and (m.packets or m.effects)]
        emits = [each for each in self._tally.emits() if asked_for(each[0])]
        if user is not None and not data:
            emits = [(n, each) for n, each in emits if not each.users or user in each.users]
        sides = {name.recipient for name, _ in (*messages, *emits)}
        if len(sides) > 1:
            raise UsageError(
                f'"{event}" goes both ways: say recipient="client" or recipient="server".'
            )
        counts: list[tuple[Name, MessageCounts | Emits]] = [*messages, *emits]
        last = max(reversed(counts), key=lambda each: each[1].when, default=None)
        key = last[0].key if last else None
        if data:
            key = self._tally.name("client", namespace, event, None, data).key
        found = [each for each in messages if each[0].key == key]
        if found:
            return self._seen(*sorted(found, key=lambda each: each[1].packets > 0)[-1])
        side = recipient or next(iter(sides), None) or self._recipient(event, namespace)
        return self._seen(Name(side, namespace, event, user, key), MessageCounts())

    def _namespace(self, event: str) -> str:
        """Return where an event was emitted or came last, or is listened to."""
        counts: list[Any] = [*self._tally.messages(), *self._tally.emits()]
        seen = [(each.when, name.namespace) for name, each in counts if name.event == event]
        return max(seen)[1] if seen else self._listens(event) or "/"

    def _listens(self, event: str, side: Recipient | None = None) -> str | None:
        """Return a namespace where an event is listened to, by the clients or the servers."""
        probes, spaces = [p for p in self._probes if side in (None, p.side)], ["/"]
        for probe in probes:
            spaces += [*probe.sio.handlers, *probe.sio.namespace_handlers]  # internal
        return next((s for s in spaces if any(p.listeners(event, s) for p in probes)), None)

    def _elsewhere(self, name: Name, m: MessageCounts) -> dict[str, Any]:
        """Return whether the end that it came to listens now, and where else it is listened to."""
        came_to = (probe for probe in self._probes if id(probe.sio) in m.listeners)
        late = any(probe.listeners(name.event, name.namespace) for probe in came_to)
        space = self._listens(name.event, name.recipient)
        other = f"another {name.recipient} object"
        return {"late": late, "listens": space if late or space != name.namespace else other}

    def effect(self, event: str, *data: Any) -> None:
        """Count an effect of the message with `data`; call it where the program changes a thing."""
        space = self._namespace(event)
        side = self._recipient(event, space) or self._probes[0].side
        name = self._tally.name(side, space, event, None, data)
        seen = (each for each, _ in reversed(self._tally.messages()))
        same = (each for each in seen if each[1:3] == name[1:3] and each.key == name.key)
        self._tally.effect(next(same, name))

    def close(self) -> None:
        """Stop observing; may be called twice. The counts stay available."""
        for probe in self._probes:
            probe.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def __str__(self) -> str:
        rows = [f"{'event':16} {'handled by':10} listeners  sids  packets  calls  effects"]
        errors = self._tally.errors.copy()
        self._tally.errors.clear()  # to print raises nothing; `message` will
        names = (name for name, _ in (*self._tally.messages(), *self._tally.emits()))
        for side, namespace, event in dict.fromkeys(name[:3] for name in names):
            counters = self.message(event, recipient=side, namespace=namespace).counters
            counts = ["?" if n is None else n for n in counters]
            row = "{:>9}  {:>4}  {:>7}  {:>5}  {:>7}".format(*counts)
            label = event if namespace == "/" else f"{namespace} {event}"
            rows.append(f"{label:16} {side:10} {row}")
        self._tally.errors.extend(errors)
        return "\n".join(rows)

    @property
    def _probes(self) -> list[Probe]:
        return [*self._clients, *self._servers]

    @property
    def _live_clients(self) -> list[ClientProbe]:
        """The clients that were ever connected; all, if none was."""
        return [c for c in self._clients if c.connects or c.sio.connected] or self._clients

    def _recipient(self, event: str, namespace: str) -> Recipient | None:
        """Return who handles an event: the last recipient, or whoever has a handler for it."""
        names = (name for name, _ in reversed(self._tally.messages()))
        sides = (name.recipient for name in names if name[1:3] == (namespace, event))
        listening = (probe.side for probe in self._probes if probe.listeners(event, namespace))
        return next(sides, next(listening, None))

    def _seen(self, name: Name, m: MessageCounts) -> Seen:
        handled = any(probe.side == name.recipient for probe in self._probes)
        sends = any(name.recipient in (None, probe.other_side) for probe in self._probes)
        table = dict(self._tally.emits())
        emits = table.get(name._replace(user=None), Emits())
        aim = dict(emits.clues)
        if aim.get("reached") and not m.packets and name.user not in (None, *emits.users):
            aim["reached"] = 0  # it was for other users
        aim |= {"early": m.early} if m.packets else {}
        add_up = sum if name.recipient == "client" else max
        listeners = add_up(m.listeners.values()) if m.arrived else self._listeners(name)
        live = self._live(name, m, emits)
        now = frozenset[str]().union(*(each.live(name.namespace) for each in self._servers))
        entering = m.sent_to & set().union(*(s.entering(name.namespace) for s in self._servers))
        who = {
            "own": self._tally.own_sids if self._clients else None,
            "live": live,
            "ever": set().union(*emits.ever.values()) if emits.ever else None,
            **emits.who,
            "sent": emits.who["sent"] | m.sent_to if "sent" in emits.who else None,
        }
        return Seen(
            listeners=listeners,
            sids=None if live is None else len(live),
            packets=m.packets,
            calls=m.calls if handled else None,
            effects=m.effects,
            clues=Clues(
                recipient=name.recipient,
                event=name.event,
                namespace=name.namespace,
                whose=True if self._servers and name.user is not None else None,
                reconnects=self._reconnects(name.namespace, m),
                connections=len(m.connections) or None,
                clients=None if self._servers else len(m.listeners) or None,
                servers=servers if (servers := len(m.servers | emits.ever.keys())) > 1 else None,
                emitted=emits.times if sends and name.event != "connect" else None,
                places=", ".join(sorted(emits.places)) or None,
                kin=any(n[:3] == name[:3] for n in table) if sends and not emits.times else None,
                rooms=len(emits.rooms) or None,
                arrived=m.arrived > 0 if handled else None,
                large=m.large,
                died=not m.sent_to & (now | entering) if m.sent_to and not handled else None,
                acknowledged=m.acknowledged,
                answered=m.answered if sends and m.acknowledged else None,
                overlapped=m.overlapped if m.calls else None,
                failed=m.failed if handled and m.packets else None,
                busy="connect" if entering else (handled and self._tally.running(name)) or None,
                behind=m.behind,
                worked=self._worked(name) if handled else None,
                **(self._elsewhere(name, m) if handled and not listeners else {}),
                unheard=None if m.arrived else self._unheard(name),
                grows=self._grows(name, m),
                **aim,
                **self._now(name.namespace, name.user),
            ),
            args=self._arguments(name),
            also=self._also(name) if handled else (),
            who={key: frozenset(sids) for key, sids in who.items() if sids is not None},
        ).settled()

    def _arguments(self, name: Name) -> str | None:
        """Return a message's arguments as JSON, or how they begin; None with a key()."""
        default = self._tally.key is _same_arguments and name.event != "connect"
        return name.key[:LONGEST_KEY] if default and isinstance(name.key, str) else None

    def _alike(self, name: Name) -> list[tuple[Name, MessageCounts]]:
        return [each for each in self._tally.messages() if each[0][:3] == name[:3]]

    def _also(self, name: Name) -> tuple[str, ...]:
        """Return the arguments of the last messages of this event that came."""
        came = [each for each, m in self._alike(name) if m.arrived]
        return tuple(args for each in came[-ALSO:] if (args := self._arguments(each)) is not None)

    def _unheard(self, name: Name) -> str | None:
        """Return another event that came to the same side, and had no listener."""
        came = [e for e in self._tally.messages() if set(e[1].listeners.values()) == {0}]
        events = [other.event for other, _ in came if other[0] == name.recipient]
        return next((e for e in events[::-1] if e not in (name.event, "connect")), None)

    def _worked(self, name: Name) -> bool | None:
        """Return whether another message of this event was handled; None if none was seen."""
        alike = self._alike(name)
        others = [m.calls > 0 for each, m in alike if each.key != name.key and m.packets]
        return any(others) if others else None

    def _grows(self, name: Name, m: MessageCounts) -> bool | None:
        """Return whether a reconnect adds listeners or packets; not if there are more without."""
        if m.reconnects is None:
            return None
        for other, earlier in reversed(self._alike(name)):
            more = sum(m.listeners.values()) > sum(earlier.listeners.values())
            before = earlier.reconnects is not None and earlier.reconnects < m.reconnects
            if other.user == name.user and (before or more):
                return before and (more or m.packets > earlier.packets)
        return None

    def _listeners(self, name: Name) -> int | None:
        """Return how many listeners an event has now; None if no recipient is observed."""
        ends: Sequence[Probe] = self._live_clients if name.recipient == "client" else self._servers
        known = ends and name.recipient
        return sum(end.listeners(name.event, name.namespace) for end in ends) if known else None

    def _reconnects(self, namespace: str, m: MessageCounts) -> int | None:
        counts = [client.reconnects(namespace) for client in self._live_clients]
        now = max((count for count in counts if count is not None), default=None)
        return now if m.reconnects is None else m.reconnects

    def _live(self, name: Name, m: MessageCounts, emits: Emits) -> Sids | None:
        """Return the live sids of a user when the message came or was emitted, or else now."""
        if m.live is not None or not self._servers:
            return m.live
        servers = emits.live or [each.census(name.namespace) for each in self._servers]
        users = (pair for census in servers for pair in census.items())
        return frozenset().union(*(sids for user, sids in users if name.user in (None, user)))

    def _now(self, namespace: str, user: Hashable) -> dict[str, Any]:
        """Return the clues about clients and servers, not about a message."""
        clues: dict[str, Any] = {probe.side: probe.library for probe in self._probes}
        reasons = [each.reason(namespace, user) for each in self._servers[:1]]
        if len(self._live_clients) == 1:
            [client] = self._live_clients
            clues |= client.now(namespace)
            reasons.insert(0, clues["reason"])
        clues |= {"queue": any(server.queue for server in self._servers)} if self._servers else {}
        clues["reason"] = why_ended(reasons) if len(self._servers) < 2 else clues.get("reason")
        if not self._clients:
            if user is not None and any(s.census(namespace).get(user) for s in self._servers):
                clues["connected"] = True
            clues["before"] = any(namespace in server.ever.values() for server in self._servers)
            clues["rejected"] = None if any(server.rejects for server in self._servers) else False
        return clues

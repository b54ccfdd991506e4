"""Counts in a running python-socketio application without changing what it does."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .seen import Clues, Recipient, Seen
from .tally import Emits, Key, MessageCounts, Name, Tally

if TYPE_CHECKING:
    from .probe import Probe, UserOf
    from .probes import ClientProbe, ServerProbe

KEEP = 1000  # messages
LONGEST_KEY = 200  # characters
SNIPPET = Path(__file__).with_name("observe.js")


def observe(
    *ends: Any, key: Key | None = None, user: UserOf | None = None, keep: int = KEEP
) -> Observer:
    """Count messages at clients and servers of a python-socketio application.

    Start before the first connection: an observer that starts later does not know how often a
    client has reconnected. Messages take longer: observe while you look for a cause, not
    permanently. Close the observer, or use it in a ``with``; print it for a table.

    Parameters
    ----------
    *ends : AsyncServer, Server, AsyncClient or Client
        What to observe in this process; the clients must belong to one user. With Flask-SocketIO,
        pass the attribute ``server`` of its object.
    key : callable, optional
        Called with the event and the tuple of its arguments; returns what the copies of one message
        have in common, such as an id. Without it, messages with equal arguments are the same.
    user : callable, optional
        Called with a sid; returns its user, so that messages and live sids are counted for each
        user. Without it, all sids belong to one user, as in a test with one.
    keep : int
        For how many messages counts are kept. The oldest are dropped.

    Raises
    ------
    UsageError
        An argument is of another type, or there is nothing to observe.
    """
    # They import socketio: here the caller has it, and `diagnose` needs none.
    from .probes import CLIENTS, SERVERS, ClientProbe, ServerProbe

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
    clients = [end for end in ends if isinstance(end, CLIENTS)]
    servers = [end for end in ends if isinstance(end, SERVERS)]
    return Observer(
        tally,
        [ClientProbe(sio, tally, user) for sio in clients],
        [ServerProbe(sio, tally, user) for sio in servers],
    )


def snippet() -> str:
    """Return JavaScript to paste, which defines an equivalent ``observe(socket)``."""
    return SNIPPET.read_text(encoding="utf-8")


def _same_arguments(_event: str, data: tuple[Any, ...]) -> Hashable:
    text = repr(data)
    return text if len(text) <= LONGEST_KEY else hashlib.sha256(text.encode()).digest()


class Observer:
    """Counts messages at clients and servers; created by :func:`observe`."""

    def __init__(
        self, tally: Tally, clients: list[ClientProbe], servers: list[ServerProbe]
    ) -> None:
        self._tally = tally
        self._clients = clients
        self._servers = servers
        for server in servers:
            server.others = [other for other in servers if other is not server]

    def message(
        self,
        event: str,
        *data: Any,
        recipient: Recipient | None = None,
        namespace: str = "/",
        user: Hashable = None,
    ) -> Seen:
        """Return what was seen of the last message of an event, or of the one with `data`.

        The last is the one that was emitted last, even if it was lost, where the ends that send it
        are observed; elsewhere it is the one that came last. Of a message that was never sent there
        is the current state and no packet. The event of a connection is ``"connect"``.

        Raises
        ------
        UsageError
            The event was seen both ways and no recipient is given; or a message could not be
            counted because `key` or `user` raised.
        """
        if (error := self._tally.take_error()) is not None:
            raise UsageError(
                f"A message could not be counted: {error!r}. Does key(event, data) suit every "
                "event, and user(sid) every sid? (Ask again for what was counted.)"
            ) from error
        return self._last(event, data, recipient, namespace, user)

    def _last(
        self,
        event: str,
        data: tuple[Any, ...],
        recipient: Recipient | None,
        namespace: str,
        user: Hashable,
    ) -> Seen:
        messages = [
            (name, message)
            for name, message in self._tally.messages()
            if (name.event, name.namespace) == (event, namespace)
            and recipient in (None, name.recipient)
            and user in (None, name.user)
            and (message.packets or message.effects)
        ]
        emits = [
            (name, each)
            for name, each in self._tally.emits()
            if (name.event, name.namespace) == (event, namespace)
            and recipient in (None, name.recipient)
            and (user is None or data or not each.users or user in each.users)
        ]
        sides = {name.recipient for name, _ in (*messages, *emits)}
        if len(sides) > 1:
            raise UsageError(
                f'"{event}" goes both ways: say recipient="client" or recipient="server".'
            )
        when = {name.key: message.when for name, message in messages if message.packets}
        when |= {name.key: each.when for name, each in emits}
        if data:
            key = self._tally.name("client", namespace, event, None, data).key
        elif when:
            key = max(when, key=lambda each: when[each])
        else:
            key = messages[-1][0].key if messages else None
        found = [each for each in messages if each[0].key == key]
        carried = [each for each in found if each[1].packets] or found
        if carried:
            return self._seen(*carried[-1])
        side = recipient or next(iter(sides), None) or self._recipient(event, namespace)
        return self._seen(Name(side, namespace, event, user, key), MessageCounts())

    def effect(
        self,
        event: str,
        *data: Any,
        recipient: Recipient | None = None,
        namespace: str = "/",
        user: Hashable = None,
    ) -> None:
        """Count an effect of a message; call it where the application changes something.

        `data` are its arguments, as they were on the wire. The default recipient is the one that
        handled them.
        """
        key = self._tally.name("client", namespace, event, user, data).key
        for name, _ in reversed(self._tally.messages()):
            if (name.namespace, name.event, name.key) == (namespace, event, key) and (
                recipient in (None, name.recipient) and user in (None, name.user)
            ):
                return self._tally.effect(name)
        side = recipient or self._recipient(event, namespace) or self._probes[0].side
        self._tally.effect(Name(side, namespace, event, user, key))

    def close(self) -> None:
        """Stop observing; may be called twice. The counts stay available."""
        for probe in self._probes:
            probe.close()

    def __enter__(self) -> Observer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __str__(self) -> str:
        rows = [f"{'event':16} {'handled by':10} listeners  sids  packets  calls  effects"]
        names = (name for name, _ in (*self._tally.messages(), *self._tally.emits()))
        for side, namespace, event in dict.fromkeys(name[:3] for name in names):
            counters = self._last(event, (), side, namespace, None).counters
            counts = ["?" if n is None else n for n in counters]
            row = "{:>9}  {:>4}  {:>7}  {:>5}  {:>7}".format(*counts)
            label = event if namespace == "/" else f"{namespace} {event}"
            rows.append(f"{label:16} {side:10} {row}")
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
        for name, _ in reversed(self._tally.messages()):
            if (name.event, name.namespace) == (event, namespace):
                return name.recipient
        for probe in self._probes:
            if probe.listeners(event, namespace):
                return probe.side
        return None

    def _seen(self, name: Name, m: MessageCounts) -> Seen:
        handled = any(probe.side == name.recipient for probe in self._probes)
        sends = any(probe.other_side == (name.recipient or "client") for probe in self._probes)
        emits = dict(self._tally.emits()).get(name._replace(user=None), Emits())
        elsewhere = self._elsewhere(emits)
        emitted = 0 if elsewhere else emits.times  # where it could be sent
        away = self._away(emits, m.packets > 0)
        if not m.arrived and self._for_others(name, m, emits):
            m = MessageCounts(effects=m.effects)
            emits = replace(emits, reached=None if elsewhere else 0)
        listeners = self._listeners(name)
        if m.arrived:
            add_up = sum if name.recipient == "client" else max
            listeners = add_up(m.listeners.values())
        sids, strangers = self._sids(name) if m.sids is None else (m.sids, m.strangers)
        return Seen(
            listeners=listeners,
            sids=sids,
            packets=m.packets,
            calls=m.calls if handled else None,
            effects=m.effects,
            clues=Clues(
                recipient=name.recipient,
                event=name.event,
                namespace=name.namespace,
                reconnects=m.reconnects if m.packets else self._reconnects(name.namespace),
                connections=len(m.connections) or None,
                servers=len(m.servers) if len(m.servers) > 1 else None,
                strangers=strangers,
                emitted=emitted if sends and name.event != "connect" else None,
                elsewhere=elsewhere,
                reached=emits.reached,
                skipped=emits.skipped,
                raised=emits.raised if emits.times else None,
                away=away,
                arrived=m.arrived > 0 if handled else None,
                large=m.large,
                acknowledged=m.acknowledged,
                overlapped=m.overlapped if m.calls else None,
                failed=m.failed if handled and m.packets else None,
                worked=self._worked(name) if handled else None,
                early=m.early,
                grows=self._grows(name, m),
                **self._now(name.namespace),
            ),
        )

    def _elsewhere(self, emits: Emits) -> bool | None:
        """Return whether another server than the client's emitted it; None if there is one."""
        own = emits.sids & self._tally.own_sids
        several = len(self._servers) > 1 and own and emits.reached is not None
        return not own & emits.here if several else None

    def _for_others(self, name: Name, m: MessageCounts, emits: Emits) -> bool:
        """Return whether it was only for other users, or clients that nobody observes."""
        if emits.reached is None:
            return False
        if name.user is not None and not m.packets and name.user not in emits.users:
            return True
        return bool(self._clients) and not emits.recipients & self._tally.own_sids

    def _away(self, emits: Emits, sent: bool) -> bool | None:
        """Return whether a client sent it while it was away, or it was sent to one that was."""
        if emits.reached is None or not self._clients:
            return emits.once_away if sent else emits.away
        return not emits.sids & self._tally.own_sids

    def _worked(self, name: Name) -> bool | None:
        """Return whether another message of this event was handled; None if none was seen."""
        others = [
            other.calls > 0
            for each, other in self._tally.messages()
            if each[:3] == name[:3] and each.key != name.key and other.packets
        ]
        return any(others) if others else None

    def _grows(self, name: Name, m: MessageCounts) -> bool | None:
        """Return whether a message has more listeners or packets than before a reconnect."""
        if m.reconnects is None:
            return None
        for other, earlier in reversed(self._tally.messages()):
            if other[:4] == name[:4] and (earlier.reconnects or m.reconnects) < m.reconnects:
                listeners = [sum(each.listeners.values()) for each in (m, earlier)]
                return listeners[0] > listeners[1] or m.packets > earlier.packets
        return None

    def _listeners(self, name: Name) -> int | None:
        """Return how many listeners an event has now; None if no recipient is observed."""
        probes: Sequence[Probe] = self._live_clients if name.recipient == "client" else ()
        if name.recipient == "server":
            probes = self._servers
        if not probes:
            return None
        return sum(each.listeners(name.event, name.namespace) for each in probes)

    def _reconnects(self, namespace: str) -> int | None:
        counts = [client.reconnects(namespace) for client in self._live_clients]
        return max((n for n in counts if n is not None), default=None)

    def _sids(self, name: Name) -> tuple[int | None, int | None]:
        """Return how many sids a user has now on the servers, and of these the strangers."""
        if not self._servers:
            return None, None
        live = [s for server in self._servers for s in server.live(name.namespace, name.user)]
        return len(live), self._servers[0].strangers(live)

    def _now(self, namespace: str) -> dict[str, Any]:
        """Return the clues about clients and servers, not about a message."""
        clues: dict[str, Any] = {probe.side: probe.library for probe in self._probes}
        if len(self._live_clients) == 1:
            [client] = self._live_clients
            clues |= client.now(namespace)
        elif not self._clients:
            clues["before"] = any(server.before for server in self._servers)
        return clues

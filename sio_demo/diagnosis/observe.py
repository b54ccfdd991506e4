"""Counts in a running python-socketio application without changing what it does."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .seen import Clues, Recipient, Seen
from .tally import Key, MessageCounts, Name, Tally

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
    client has reconnected. Every packet is decoded a second time, so messages take longer: observe
    while you look for a cause, not permanently.

    Parameters
    ----------
    *ends : AsyncServer, Server, AsyncClient or Client
        The clients and servers to observe, in this process; the clients must belong to one user.
        With Flask-SocketIO, pass the attribute ``server`` of its object.
    key : callable, optional
        Called with the event and the tuple of its arguments; returns what the copies of one
        message have in common, such as an id. Without it, messages with equal arguments are the
        same.
    user : callable, optional
        Called with a sid; returns its user, so that messages and live sids are counted for each
        user. Without it, all sids belong to one user, as in a test with one.
    keep : int
        For how many messages counts are kept. The oldest are dropped.

    Returns
    -------
    Observer
        Ask it for a message, or print it for a table. Close it, or use it in a ``with``.

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

    def message(
        self,
        event: str,
        *data: Any,
        recipient: Recipient | None = None,
        namespace: str = "/",
        user: Hashable = None,
    ) -> Seen:
        """Return what was seen of the last message of an event, or of the one with `data`.

        Parameters
        ----------
        event : str
            The name of the event; ``"connect"`` for a connection to the server.
        *data
            The arguments, to choose an earlier message, or one that never came.
        recipient : {"client", "server"}, optional
            Who received it; needed if the event goes both ways.
        namespace : str
        user
            Whose message it is, if the observer distinguishes users; by default any user's.

        Returns
        -------
        Seen
            For a message that never came, the current state and no packet.

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
        found = [
            (name, message)
            for name, message in self._tally.messages()
            if (name.event, name.namespace) == (event, namespace)
            and recipient in (None, name.recipient)
            and user in (None, name.user)
            and (message.packets or message.effects)
        ]
        if recipient is None and len({name.recipient for name, _ in found}) > 1:
            raise UsageError(
                f'"{event}" goes both ways: say recipient="client" or recipient="server".'
            )
        if data:
            wanted = self._tally.name("client", namespace, event, None, data).key
            found = [(name, message) for name, message in found if name.key == wanted]
        if found:
            carried = [each for each in found if each[1].packets] or found
            return self._seen(*carried[-1])
        return self._never_seen(event, namespace, recipient or self._recipient(event, namespace))

    def effect(
        self,
        event: str,
        *data: Any,
        recipient: Recipient | None = None,
        namespace: str = "/",
        user: Hashable = None,
    ) -> None:
        """Count an effect of a message; call it where the application changes something.

        Parameters
        ----------
        event : str
            The event of the message.
        *data
            The arguments, as they were on the wire.
        recipient, namespace, user
            As for :meth:`message`. The default recipient is the one that handled the arguments.
        """
        key = self._tally.name("client", namespace, event, user, data).key
        for name, _ in reversed(self._tally.messages()):
            if (name.namespace, name.event, name.key) == (namespace, event, key) and (
                recipient in (None, name.recipient) and user in (None, name.user)
            ):
                return self._tally.effect(name)
        side = recipient or self._recipient(event, namespace)
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
        last = {name[:3]: (name, message) for name, message in self._tally.messages()}
        for name, message in last.values():
            event = name.event if name.namespace == "/" else f"{name.namespace} {name.event}"
            counts = ["?" if n is None else n for n in self._seen(name, message).counters]
            row = "{:>9}  {:>4}  {:>7}  {:>5}  {:>7}".format(*counts)
            rows.append(f"{event:16} {name.recipient:10} {row}")
        return "\n".join(rows)

    @property
    def _probes(self) -> list[Probe]:
        return [*self._clients, *self._servers]

    @property
    def _live_clients(self) -> list[ClientProbe]:
        """The clients that were ever connected; all, if none was."""
        return [c for c in self._clients if c.connects or c.sio.connected] or self._clients

    def _recipient(self, event: str, namespace: str) -> Recipient:
        """Return who handles an event: the last recipient, or whoever has a handler for it."""
        for name, _ in reversed(self._tally.messages()):
            if (name.event, name.namespace) == (event, namespace):
                return name.recipient
        for probe in self._probes:
            if probe.listeners(event, namespace):
                return probe.side
        return self._probes[0].side

    def _seen(self, name: Name, m: MessageCounts) -> Seen:
        handled = any(probe.side == name.recipient for probe in self._probes)
        listeners = self._listeners(name.event, name.namespace, name.recipient)
        if m.arrived:
            add_up = sum if name.recipient == "client" else max
            listeners = add_up(m.listeners.values())
        return Seen(
            listeners=listeners,
            sids=self._sids(name.namespace) if m.sids is None else m.sids,
            packets=m.packets,
            calls=m.calls if handled else None,
            effects=m.effects,
            clues=Clues(
                recipient=name.recipient,
                event=name.event,
                namespace=name.namespace,
                reconnects=m.reconnects,
                connections=len(m.connections) or None,
                servers=len(m.servers) if len(m.servers) > 1 else None,
                arrived=m.arrived > 0 if handled else None,
                acknowledged=m.acknowledged,
                overlapped=m.overlapped if m.calls else None,
                failed=m.failed if handled else None,
                early=m.early,
                grows=self._grows(name, m),
                **self._now(),
            ),
        )

    def _never_seen(self, event: str, namespace: str, recipient: Recipient) -> Seen:
        counts = [client.reconnects(namespace) for client in self._live_clients]
        reconnects = max((n for n in counts if n is not None), default=None)
        nothing = self._seen(Name(recipient, namespace, event, None, None), MessageCounts())
        return nothing.with_clues(reconnects=reconnects, failed=None)

    def _grows(self, name: Name, m: MessageCounts) -> bool | None:
        """Return whether a message has more listeners or packets than before a reconnect."""
        if m.reconnects is None:
            return None
        for other, earlier in reversed(self._tally.messages()):
            if other[:4] == name[:4] and (earlier.reconnects or m.reconnects) < m.reconnects:
                listeners = [sum(each.listeners.values()) for each in (m, earlier)]
                return listeners[0] > listeners[1] or m.packets > earlier.packets
        return None

    def _listeners(self, event: str, namespace: str, recipient: Recipient) -> int | None:
        """Return how many listeners an event has now; None if no recipient is observed."""
        probes = self._live_clients if recipient == "client" else self._servers
        return sum(probe.listeners(event, namespace) for probe in probes) if probes else None

    def _sids(self, namespace: str) -> int | None:
        """Return how many sids are live now; None if no server is observed."""
        counts = [len(server.live(namespace)) for server in self._servers]
        return sum(counts) if counts else None

    def _now(self) -> dict[str, Any]:
        """Return the clues about clients and servers, not about a message."""
        clues: dict[str, Any] = {probe.side: probe.library for probe in self._probes}
        if len(self._live_clients) == 1:
            [client] = self._live_clients
            clues |= {
                "connected": bool(client.sio.connected),
                "refused": client.refused,
                "reason": client.reason,
            }
        return clues

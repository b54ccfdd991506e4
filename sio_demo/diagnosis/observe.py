"""Counts in a running python-socketio application, and changes nothing in what it does."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .ends import CLIENTS, SERVERS, Client, End, Server
from .seen import Clues, Recipient, Seen
from .tally import Key, Message, Name, Tally

KEEP = 1000  # messages
SNIPPET = Path(__file__).with_name("observe.js")


def observe(
    *ends: Any,
    key: Key | None = None,
    user: Callable[[str], Hashable] | None = None,
    keep: int = KEEP,
) -> Observer:
    """Count messages at one or several ends of a python-socketio application.

    Parameters
    ----------
    *ends : AsyncServer, Server, AsyncClient or Client
        What is to be observed: ends that live in this process. (With Flask-SocketIO, the
        attribute ``server`` of its object.) Of clients, those of one user.
    key : callable, optional
        Gets the event and the tuple of its arguments, and gives what the copies of one message
        have in common: an id, say. If left out, messages with the same arguments are the same.
    user : callable, optional
        Gets a sid, and gives its user: then the live sids are those of the message's user. If
        left out, all sids are one user's, as in a test with one.
    keep : int
        For how many messages the counts are kept; the oldest are forgotten.

    Returns
    -------
    Observer
        Ask it for a message; print it for a table; close it at the end, or use it in a ``with``.

    Raises
    ------
    UsageError
        An end is of another kind, or there is none.
    """
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
    tally = Tally(key or (lambda _event, data: repr(data)), keep)
    return Observer(
        tally,
        [Client(end, tally) for end in ends if isinstance(end, CLIENTS)],
        [
            Server(end, tally, user or (lambda _sid: None))
            for end in ends
            if isinstance(end, SERVERS)
        ],
    )


def snippet() -> str:
    """Give the same for JavaScript: its text defines ``observe(socket)``, to be pasted."""
    return SNIPPET.read_text(encoding="utf-8")


class Observer:
    """Counts what passes at the ends of an application; made by :func:`observe`."""

    def __init__(self, tally: Tally, clients: list[Client], servers: list[Server]) -> None:
        self._tally = tally
        self._clients = clients
        self._servers = servers

    def message(
        self, event: str, *data: Any, recipient: Recipient | None = None, namespace: str = "/"
    ) -> Seen:
        """Give what was seen of one message: of the last one of an event, or of that with `data`.

        Parameters
        ----------
        event : str
            The name of the event; ``"connect"`` for all connections to the server together.
        *data
            Its arguments, to name an earlier message, or one that never came.
        recipient : {"client", "server"}, optional
            Which way it went; needed if the event goes both ways.
        namespace : str
            Its namespace.

        Returns
        -------
        Seen
            For a message that never came: what there is now, and no packet.

        Raises
        ------
        UsageError
            The event was seen both ways, and no recipient is given; or `key` has raised.
        """
        if self._tally.error is not None:
            raise UsageError(
                f"A message could not be counted: {self._tally.error!r}. Does the key suit every "
                "event, key(event, data)?"
            ) from self._tally.error
        found = [
            name
            for name in self._tally.messages
            if (name.event, name.namespace) == (event, namespace)
            and recipient in (None, name.recipient)
        ]
        if recipient is None and len({name.recipient for name in found}) > 1:
            raise UsageError(
                f'"{event}" goes both ways: say recipient="client" or recipient="server".'
            )
        if data:
            wanted = self._tally.name("client", namespace, event, data).key
            found = [name for name in found if name.key == wanted]
        if found:
            return self._seen(found[-1], self._tally.messages[found[-1]])
        return self._never_seen(event, namespace, recipient or self._recipient(event, namespace))

    def effect(self, event: str, *data: Any, namespace: str = "/") -> None:
        """Tell that a message has had its effect: call it where the application has one.

        Parameters
        ----------
        event : str
            The event of the message.
        *data
            Its arguments.
        namespace : str
            Its namespace.
        """
        recipient = self._recipient(event, namespace)
        self._tally.effect(self._tally.name(recipient, namespace, event, data))

    def close(self) -> None:
        """Observe no more; a second call does nothing. What was counted stays."""
        for end in self._ends:
            end.close()

    def __enter__(self) -> Observer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __str__(self) -> str:
        rows = [f"{'event':16} {'handled by':10} listeners  sids  packets  calls  effects"]
        last = {name[:3]: name for name in self._tally.messages}
        for name in last.values():
            event = name.event if name.namespace == "/" else f"{name.namespace} {name.event}"
            seen = self._seen(name, self._tally.messages[name])
            counts = ["?" if count is None else count for count in seen.counters]
            row = "{:>9}  {:>4}  {:>7}  {:>5}  {:>7}".format(*counts)
            rows.append(f"{event:16} {name.recipient:10} {row}")
        return "\n".join(rows)

    @property
    def _ends(self) -> list[End]:
        return [*self._clients, *self._servers]

    @property
    def _live_clients(self) -> list[Client]:
        """Those that have ever been connected; all, if none has."""
        return [client for client in self._clients if client.connects] or self._clients

    def _recipient(self, event: str, namespace: str) -> Recipient:
        """Say who handles an event: who did last, or who has a handler for it."""
        for name in reversed(self._tally.messages):
            if (name.event, name.namespace) == (event, namespace):
                return name.recipient
        for end in self._ends:
            if end.listeners(event, namespace):
                return end.side
        return self._ends[0].side

    def _seen(self, name: Name, m: Message) -> Seen:
        handled = any(end.side == name.recipient for end in self._ends)
        listeners = self._listeners(name.event, name.namespace, name.recipient)
        if m.arrived:
            add_up = sum if name.recipient == "client" else max
            listeners = add_up(m.listeners.values())
        return Seen(
            listeners=listeners,
            sids=self._sids(name.namespace) if m.sids is None else m.sids,
            packets=max(m.arrived, m.sent),
            calls=m.calls if handled else None,
            effects=m.effects,
            clues=Clues(
                recipient=name.recipient,
                event=name.event,
                namespace=name.namespace,
                reconnects=m.reconnects,
                connections=len(m.connections) or None,
                servers=len(m.servers) if len(m.servers) > 1 else None,
                acknowledged=m.acknowledged,
                overlapped=m.overlapped if m.calls else None,
                early=m.early,
                **self._now(),
            ),
        )

    def _never_seen(self, event: str, namespace: str, recipient: Recipient) -> Seen:
        reconnects = [client.reconnects(namespace) for client in self._live_clients]
        listeners = self._listeners(event, namespace, recipient)
        return Seen(
            listeners=listeners,
            sids=self._sids(namespace),
            packets=0,
            calls=None if listeners is None else 0,
            clues=Clues(
                recipient=recipient,
                event=event,
                namespace=namespace,
                reconnects=max(reconnects, default=None),
                **self._now(),
            ),
        )

    def _listeners(self, event: str, namespace: str, recipient: Recipient) -> int | None:
        """Count the listeners that an event has now; None if no recipient is observed."""
        ends = self._live_clients if recipient == "client" else self._servers
        return sum(end.listeners(event, namespace) for end in ends) if ends else None

    def _sids(self, namespace: str) -> int | None:
        """Count the live sids now; None if no server is observed."""
        counts = [len(server.live(namespace)) for server in self._servers]
        return sum(counts) if counts else None

    def _now(self) -> dict[str, Any]:
        """Give the clues that are about the ends, and not about a message."""
        clues: dict[str, Any] = {end.side: end.library for end in self._ends}
        if len(self._live_clients) == 1:
            [client] = self._live_clients
            clues |= {
                "connected": bool(client.sio.connected),
                "refused": client.refused,
                "reason": client.reason,
            }
        return clues

"""The rules: their names, the entries of the atlas behind them, and how to mend what they find.

Where each is looked for, below ``javascript/`` and ``python/``:

=============================  ====================================  ===============
rule                           JavaScript                            Python
=============================  ====================================  ===============
listener-in-connect            connect.py                            handlers.py
listener-without-cleanup       left_behind.py, mounts.py             (keeps one only)
client-in-handler              connect.py, left_behind.py            handlers.py
timer-in-connect               timers.py                             tasks.py
shared-emitter-in-connection   server.py                             handlers.py
check-then-await               dedup.py                              dedup.py
id-from-socket-id              ids.py                                handlers.py
handler-in-server-connect      (a socket of its own, it may)         handlers.py
=============================  ====================================  ===============

What is a client or a server: ``javascript/roles.py`` and ``python/module.py``; what runs in other
files: ``javascript/entries.py`` and ``modules.py``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """A pattern that the checker looks for.

    Attributes
    ----------
    id : str
        Its name, as in ``sio-demo: ignore[listener-in-connect]``.
    atlas : str
        The entry of the atlas that shows what it leads to.
    title : str
        It in a few words.
    why : str
        What happens at run time.
    fix : str
        What to do instead.
    """

    id: str
    atlas: str
    title: str
    why: str
    fix: str


_RULES = (
    Rule(
        "listener-in-connect",
        "D1",
        "Listener registered in the client's connect handler",
        "`connect` fires again at every reconnection and socket.io-client keeps all listeners: "
        "after n reconnects the handler runs n + 1 times for each message.",
        "Register the listener once, outside the handler. To register in it all the same, call "
        "`socket.off(event, handler)` first.",
    ),
    Rule(
        "listener-without-cleanup",
        "D3",
        "Component registers a listener and does not remove it",
        "Every mount, and every change of an effect's dependencies, adds a listener to the same "
        "socket; the old ones stay, so the handler runs once for each of them.",
        "Name the handler and remove it with `socket.off(event, handler)` in the cleanup that "
        "the effect returns (React), or when the component is unmounted (Vue, Svelte).",
    ),
    Rule(
        "client-in-handler",
        "D4",
        "New client made where it is made again and again",
        "Each run opens another connection with listeners of its own; the old client stays "
        "connected and handles every message as well.",
        "Make the client once, outside of handlers and components; it reconnects by itself. "
        "Where it has to be made again, disconnect the old one first or in the cleanup.",
    ),
    Rule(
        "timer-in-connect",
        "D8",
        "Timer or task started in a connect handler and never stopped",
        "`connect` runs again at every reconnection, so one more timer or task runs after each, "
        "and what it sends is sent once by each of them.",
        "Start it once, outside the handler; or keep it and stop it in `disconnect`.",
    ),
    Rule(
        "shared-emitter-in-connection",
        "D9",
        "Listener on a shared emitter in the server's connection handler",
        "The emitter outlives the socket: each connection, and so each reconnection, adds a "
        "listener that is never removed.",
        "Register once at start-up and emit to a room, or remove the listener when the socket "
        "disconnects.",
    ),
    Rule(
        "check-then-await",
        "D23",
        "Duplicate check and its mark stand on two sides of an await",
        "Handlers overlap: while the first copy of a message waits, its retry passes the same "
        "check, and both take effect.",
        "Claim the id before the await (add it first, or an atomic insert with UNIQUE), and undo "
        "the claim if the work fails.",
    ),
    Rule(
        "id-from-socket-id",
        "L11",
        "Message id made of socket.id",
        "`socket.id` is undefined while offline and changes at every reconnection: two clients "
        "mint the same id, and one of the messages is dropped as a duplicate.",
        "Mint a UUID for each message, once, before the first try: `crypto.randomUUID()`.",
    ),
    Rule(
        "handler-in-server-connect",
        "L21",
        "Handler registered in the server's connect handler",
        "python-socketio keeps one handler for each event: this replaces everybody's handler by "
        "one that closes over the client that came last, and messages are attributed to it.",
        "Register it once, at the top level, and use its `sid` argument.",
    ),
)

RULES = {rule.id: rule for rule in _RULES}

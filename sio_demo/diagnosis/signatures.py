"""What tells one cause of the atlas from another: its family, and what must hold beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from .needs import (
    ACK,
    ALWAYS,
    AWAY,
    BY_CLIENT,
    BY_NETWORK,
    BY_SERVER,
    CLIENT,
    CONNECT,
    EARLY,
    GROWS,
    GROWS_NOT,
    IDS,
    JS_CLIENT,
    JS_SERVER,
    NAMESPACE,
    NO_ACK,
    NO_IDS,
    NOT_ARRIVED,
    NOT_AWAY,
    NOT_CONNECT,
    NOT_EARLY,
    NOT_OVERLAPPED,
    NOT_PER_CONNECTION,
    NOT_RAISED,
    NOT_RECONNECTED,
    NOT_REFUSED,
    ONE_CONNECTION,
    ONE_SERVER,
    OVERLAPPED,
    PER_CONNECTION,
    PY_CLIENT,
    PY_SERVER,
    RAISED,
    RECONNECTED,
    REFUSED,
    SAYS_AWAY,
    SAYS_CONNECTED,
    SERVER,
    SERVERS,
    SEVERAL_CONNECTIONS,
    SOMETIMES,
    Need,
    maybe,
)

Family = Literal[
    "listeners",
    "clients",
    "sessions",
    "zombies",
    "copies",
    "runs",
    "effects",
    "lost",
    "nobody listens",
    "nobody waits",
    "not connected",
    "not sent",
    "in vain",
]


@dataclass(frozen=True)
class Signature:
    """How a cause of the atlas shows itself.

    Attributes
    ----------
    letter : str
        Which cause.
    family : str
        The factor that is odd, or where the message was lost.
    needs : tuple of Need
        What must hold beside it, and what speaks for it.
    look : str
        What would prove it: the place in the program to look at, or what to try.
    """

    letter: str
    family: Family
    needs: tuple[Need, ...]
    look: str


def _either(
    letter: str, families: tuple[Family, ...], *ways: tuple[Need, ...], look: str
) -> Iterator[Signature]:
    """Give the signatures of a cause that shows itself in several ways."""
    for family in families:
        for needs in ways:
            yield Signature(letter, family, needs, look)


SIGNATURES = (
    # --- one packet, many listeners ---
    Signature("D1", "listeners",
        (CLIENT, JS_CLIENT, RECONNECTED, GROWS, *maybe(PER_CONNECTION)),
        "Search the client for `on(` inside its `connect` handler, functions that it calls "
        "included: `sio-demo check PATH` does."),
    Signature("D2", "listeners",
        (CLIENT, JS_CLIENT, RECONNECTED, GROWS, *maybe(PER_CONNECTION)),
        "Is this event the answer to the login that `connect` emits, with `.on(` behind the emit?"),
    Signature("D3", "listeners", (CLIENT, JS_CLIENT, GROWS_NOT, *maybe(NOT_PER_CONNECTION)),
        "Open the page of the component twice more, with no reconnect, and count again."),
    *_either("D10", ("listeners",),
        (CLIENT, JS_CLIENT, GROWS_NOT, *maybe(NOT_PER_CONNECTION)),
        (SERVER, JS_SERVER, GROWS_NOT),
        look="Emit the event whose handler calls `on(` twice more, and count again."),
    # --- many clients or sessions ---
    Signature("D4", "clients", (GROWS, *maybe(PER_CONNECTION)),
        "Print a line wherever a client is made: more than one for the process?"),
    Signature("D6", "clients", (GROWS_NOT, *maybe(NOT_PER_CONNECTION)),
        "Restart the kernel, or reload the page: is there one live sid then, until the cell or "
        "the module runs again?"),
    Signature("D7", "clients", (JS_CLIENT, NAMESPACE, GROWS_NOT, *maybe(NOT_PER_CONNECTION)),
        "Print a line wherever `io(` is called for this namespace."),
    Signature("D5", "sessions", (CLIENT, PY_CLIENT),
        "Search the program for a `connect()` that can run during a reconnection, in a "
        "`disconnect` handler or a loop."),
    Signature("D16", "zombies", (),
        "Wait for ping_interval + ping_timeout: does the extra sid go away by itself?"),
    # --- sent again, each time ---
    Signature("D8", "copies",
        (NOT_CONNECT, RECONNECTED, GROWS, ALWAYS, ONE_CONNECTION, NOT_AWAY,
         *maybe(PER_CONNECTION, NO_ACK)),
        "Search the sender for a timer, loop or task that its `connect` handler starts."),
    Signature("D9", "copies",
        (NOT_CONNECT, CLIENT, GROWS, ALWAYS, ONE_CONNECTION, *maybe(PER_CONNECTION, NO_ACK)),
        "Connect one more client of another user: does everybody get one copy more? Then the "
        "server's `connection` handler listens to something that all share."),
    Signature("D11", "copies",
        (NOT_CONNECT, SERVER, RECONNECTED, GROWS, ALWAYS, SEVERAL_CONNECTIONS, NOT_AWAY,
         *maybe(PER_CONNECTION, NO_ACK)),
        "Is it what the client's `connect` handler emits?"),
    Signature("D17", "copies",
        (NOT_CONNECT, CLIENT, GROWS_NOT, ALWAYS, ONE_CONNECTION, SERVERS, *maybe(NO_ACK)),
        "Stop all servers but one: does it come once?"),
    Signature("D18", "copies",
        (NOT_CONNECT, CLIENT, GROWS_NOT, ALWAYS, ONE_CONNECTION, *maybe(NO_ACK, ONE_SERVER)),
        "Print the rooms of the user, `sio.rooms(sid)`: is there an emit for each?"),
    # --- sent again, now and then ---
    Signature("D12", "copies",
        (NOT_CONNECT, SERVER, JS_CLIENT, RECONNECTED, SOMETIMES, ONE_CONNECTION, AWAY, NO_IDS),
        "Does the program keep what it could not send, and send it in `connect`? The library "
        "does as well."),
    Signature("D13", "copies",
        (NOT_CONNECT, SERVER, JS_CLIENT, SOMETIMES, ACK, NO_IDS,
         *maybe(RECONNECTED, SEVERAL_CONNECTIONS)),
        "Is `retries` among the client's options?"),
    Signature("D14", "copies",
        (NOT_CONNECT, SERVER, JS_CLIENT, NOT_RECONNECTED, SOMETIMES, ONE_CONNECTION, ACK,
         NOT_AWAY, NO_IDS),
        "Is the client older than 4.8.2, with `retries` among its options?"),
    Signature("D15", "copies",
        (NOT_CONNECT, SERVER, SOMETIMES, ACK, NO_IDS, *maybe(RECONNECTED, SEVERAL_CONNECTIONS)),
        "Does the program call again after a timeout?"),
    Signature("D20", "copies",
        (NOT_CONNECT, CLIENT, JS_CLIENT, JS_SERVER, RECONNECTED, SOMETIMES, AWAY,
         SEVERAL_CONNECTIONS),
        "Switch `connectionStateRecovery` off: does it come once, or not at all?"),
    Signature("D21", "copies",
        (NOT_CONNECT, CLIENT, SOMETIMES, ONE_CONNECTION, *maybe(NO_ACK, ONE_SERVER)),
        "Do only those messages come twice that are sent while somebody comes back? Then one "
        "copy is live, and one from the history."),
    Signature("D23", "copies",
        (NOT_CONNECT, SERVER, SOMETIMES, OVERLAPPED, IDS, *maybe(ACK)),
        "Is there an `await` between the check of the id and its mark?"),
    Signature("D24", "copies",
        (NOT_CONNECT, SERVER, SOMETIMES, NOT_OVERLAPPED, IDS,
         *maybe(SEVERAL_CONNECTIONS, SERVERS)),
        "Where are the ids kept that the handler compares, and for how long: in the process?"),
    Signature("D26", "copies", (SERVER, CONNECT, NO_ACK, PY_CLIENT, PY_SERVER),
        "Time the server's `connect` handler: more than a second?"),
    # --- run again, or counted again ---
    Signature("D25", "runs", (SERVER, CONNECT, PY_SERVER),
        "Does the handler raise a TypeError? Catch it in the handler, and log it."),
    Signature("D22", "effects", (CLIENT,),
        "Does the sender show the message at once, and again when the server sends it to all?"),
    # --- lost before the connection ---
    *_either("L1", ("not connected", "not sent"), (CLIENT, AWAY),
        look="Was the client away at that moment? The server keeps nothing for it."),
    *_either("L3", ("not connected", "not sent"), (SERVER, PY_CLIENT, AWAY, RAISED),
        look="Did emit() raise BadNamespaceError? It has not kept the message."),
    *_either("L10", ("not connected", "not sent"), (CLIENT, JS_CLIENT, JS_SERVER, AWAY),
        look="Is `connectionStateRecovery` on, and `socket.recovered` false?"),
    Signature("L13", "not connected", (SAYS_AWAY, NOT_AWAY, REFUSED, SERVERS),
        "Does the error say 'Session ID unknown'? Run one server: does the client connect?"),
    Signature("L15", "not connected", (SAYS_AWAY, NOT_AWAY, REFUSED, ONE_SERVER),
        "Does `connect_error` speak of the credentials, and does a new token help?"),
    Signature("L16a", "not connected", (SERVER, PY_CLIENT, SAYS_CONNECTED, NOT_RAISED),
        "Ask the server for an answer with `call()`: a TimeoutError, though `connected` is true?"),
    Signature("L16b", "not connected", (PY_CLIENT, SAYS_AWAY, NOT_AWAY, NOT_REFUSED, BY_NETWORK),
        "Had the client once run out of its `reconnection_attempts`?"),
    Signature("L19", "not connected", (SAYS_AWAY, NOT_AWAY, BY_SERVER),
        "Who calls `disconnect(sid)` on the server? The client must call `connect()` by itself."),
    # --- connected, and not sent, lost, or not handled ---
    Signature("L5", "not sent", (CLIENT, RECONNECTED, SAYS_CONNECTED, NOT_AWAY),
        "Print `sio.rooms(sid)` of the new session: is the room there?"),
    Signature("L6", "not sent", (CLIENT, RECONNECTED, SAYS_CONNECTED, NOT_AWAY),
        "Print what the server knows of the user before and after the late `disconnect`."),
    *_either("L12", ("not sent",), (CLIENT, JS_SERVER, SAYS_CONNECTED), (SERVER, JS_CLIENT),
        look="Is it emitted as volatile?"),
    Signature("L14", "not sent", (CLIENT, SAYS_CONNECTED, NOT_AWAY, SERVERS),
        "Emit on the worker that the client is connected to: does it come?"),
    *_either("L17", ("not sent", "lost"),
        (SERVER, PY_CLIENT, NOT_ARRIVED, SAYS_AWAY, NOT_AWAY, BY_CLIENT),
        look="Does the program disconnect, or end, right after the emit?"),
    Signature("L2", "lost", (NOT_ARRIVED, NOT_RAISED, BY_NETWORK, SOMETIMES),
        "Did the connection break soon after the emit, before an acknowledgement could come?"),
    Signature("L4", "nobody waits", (CLIENT, RECONNECTED),
        "Is it the answer to something that was asked before the last reconnect?"),
    Signature("L7", "nobody listens", (SERVER, JS_SERVER),
        "Is there an `await` above the listener in the `connection` handler?"),
    Signature("L9", "nobody listens", (CLIENT, PY_CLIENT, EARLY),
        "Is it emitted in the server's `connect` handler, and its handler registered in the "
        "client's?"),
    Signature("L8", "in vain", (CLIENT, PY_CLIENT, EARLY),
        "Does its handler emit, and raise BadNamespaceError?"),
    Signature("L11", "in vain", (SERVER, JS_CLIENT, AWAY, SOMETIMES, IDS),
        "Are the ids that the server compares made of `socket.id`?"),
    Signature("L18", "in vain", (NOT_EARLY, OVERLAPPED, SOMETIMES),
        "Give the messages numbers: does an older one end last?"),
    *_either("L20", ("in vain",),
        (CLIENT, PY_CLIENT, NOT_EARLY, ALWAYS), (SERVER, PY_SERVER, ALWAYS),
        look="Search for a second handler of the same event: python-socketio keeps the last."),
    Signature("L21", "in vain", (SERVER, PY_SERVER, NOT_AWAY),
        "Is the handler registered inside the server's `connect`, and does it use a name from "
        "there for the user?"),
)  # fmt: skip
"""At least one for each cause that the atlas reproduces."""

TWINS = (
    ("D1", "D2"),
    ("D3", "D10"),
    ("D6", "D7"),
    ("D8", "D9"),
    ("D13", "D14", "D15"),
    ("D17", "D18"),
    ("L1", "L10"),
    ("L5", "L6"),
    ("L20", "L21"),
)
"""Causes that can leave the same counters and clues: a look at the program tells them apart."""

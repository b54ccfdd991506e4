"""What tells one cause of the atlas from another: its family, and what must hold beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

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
class Need:
    """Something that must hold for a clue, and how to say so.

    Attributes
    ----------
    clue : str
        Its name.
    words : str
        What holds, such as ``"the client had reconnected"``.
    holds : callable
        Gets the value of the clue, and the number of the family: 4 for four listeners.
    """

    clue: str
    words: str
    holds: Callable[[Any, int], bool]


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
        What must hold beside it.
    look : str
        What would prove it: the place in the program to look at, or what to try.
    """

    letter: str
    family: Family
    needs: tuple[Need, ...]
    look: str


QUESTIONS = {
    "recipient": "Who handles the message, the client or the server?",
    "client": "Which library does the client use: socket.io-client (javascript), python-socketio?",
    "server": "Which library does the server use: socket.io (javascript), python-socketio?",
    "event": "Which event is it? 'connect' is the connection itself.",
    "namespace": "Which namespace is it in? '/' unless the program names one.",
    "reconnects": "How often had the client reconnected when the message came?",
    "connections": "On how many different connections did its copies come?",
    "servers": "How many servers did its copies pass? One that was restarted counts as two.",
    "acknowledged": "Does the sender wait for an acknowledgement?",
    "overlapped": "Did a call begin while another with the same event was still at work?",
    "early": "Does it reach the client before the client is connected?",
    "away": "Was it emitted while the client was away?",
    "raised": "Did emit() raise an exception?",
    "connected": "What does the client say of itself: client.connected, socket.connected?",
    "refused": "Has an attempt of the client to connect failed since its last connection?",
    "always": "Does it happen to every message of this kind, or only to some?",
    "reason": "Who ended the client's last connection: the network, the server, the client?",
}
"""How to find out each clue."""


def _is(clue: str, value: Any, words: str) -> Need:
    return Need(clue, words, lambda seen, _: seen == value)


CLIENT = _is("recipient", "client", "the client handles it")
SERVER = _is("recipient", "server", "the server handles it")
JS_CLIENT = _is("client", "javascript", "the client is socket.io-client")
PY_CLIENT = _is("client", "python", "the client is python-socketio's")
JS_SERVER = _is("server", "javascript", "the server is socket.io's")
PY_SERVER = _is("server", "python", "the server is python-socketio's")
CONNECT = _is("event", "connect", "the event is 'connect'")
NOT_CONNECT = Need("event", "the event is not 'connect'", lambda seen, _: seen != "connect")
NAMESPACE = Need("namespace", "it has a namespace of its own", lambda seen, _: seen != "/")
PER_CONNECTION = Need(
    "reconnects",
    "there is one for each connection so far",
    lambda seen, n: seen >= 1 and n == seen + 1,
)
NOT_PER_CONNECTION = Need(
    "reconnects",
    "their number is not that of the connections",
    lambda seen, n: seen == 0 or n != seen + 1,
)
RECONNECTED = Need("reconnects", "the client had reconnected", lambda seen, _: seen >= 1)
ONE_CONNECTION = _is("connections", 1, "its copies came on one connection")
SEVERAL_CONNECTIONS = Need(
    "connections", "its copies came on several connections", lambda seen, _: seen > 1
)
SERVERS = Need("servers", "there are several servers", lambda seen, _: seen > 1)
ONE_SERVER = _is("servers", 1, "there is one server")
ACK = _is("acknowledged", True, "the sender waits for an acknowledgement")
NO_ACK = _is("acknowledged", False, "the sender waits for no acknowledgement")
OVERLAPPED = _is("overlapped", True, "its calls overlapped")
NOT_OVERLAPPED = _is("overlapped", False, "its calls did not overlap")
EARLY = _is("early", True, "it came before the client was connected")
NOT_EARLY = _is("early", False, "the client was connected when it came")
AWAY = _is("away", True, "it was emitted while the client was away")
NOT_AWAY = _is("away", False, "the client was not away when it was emitted")
RAISED = _is("raised", True, "emit() raised an exception")
NOT_RAISED = _is("raised", False, "emit() raised nothing")
SAYS_CONNECTED = _is("connected", True, "the client says that it is connected")
SAYS_AWAY = _is("connected", False, "the client says that it is not connected")
REFUSED = _is("refused", True, "the client could not connect again")
NOT_REFUSED = _is("refused", False, "the client has not tried to connect again, or could")
ALWAYS = _is("always", True, "it happens to every message of this kind")
SOMETIMES = _is("always", False, "it happens to some messages only")
BY_NETWORK = _is("reason", "network", "the network ended the connection")
BY_SERVER = _is("reason", "server", "the server ended the connection")
BY_CLIENT = _is("reason", "client", "the client ended the connection")

# What is sent again, by a mistake in the sender, and what is sent again now and then, by a fault.
_EACH_TIME = (NOT_CONNECT, NOT_OVERLAPPED, NO_ACK, ALWAYS)
_AT_TIMES = (NOT_CONNECT, NOT_OVERLAPPED, SOMETIMES)


def _either(
    letter: str, families: tuple[Family, ...], *ways: tuple[Need, ...], look: str
) -> Iterator[Signature]:
    """Give the signatures of a cause that shows itself in several ways."""
    for family in families:
        for needs in ways:
            yield Signature(letter, family, needs, look)


SIGNATURES = (
    # --- one packet, many listeners ---
    Signature("D1", "listeners", (CLIENT, JS_CLIENT, PER_CONNECTION),
        "Search the client for `on(` inside its `connect` handler, functions that it calls "
        "included: `sio-demo check PATH` does."),
    Signature("D2", "listeners", (CLIENT, JS_CLIENT, PER_CONNECTION),
        "Is this event the answer to the login that `connect` emits, with `.on(` behind the emit?"),
    Signature("D3", "listeners", (CLIENT, JS_CLIENT, NOT_PER_CONNECTION),
        "Open the page of the component twice more, with no reconnect, and count again."),
    *_either("D10", ("listeners",), (CLIENT, JS_CLIENT, NOT_PER_CONNECTION), (SERVER, JS_SERVER),
        look="Emit the event whose handler calls `on(` twice more, and count again."),
    # --- many clients or sessions ---
    Signature("D4", "clients", (PER_CONNECTION,),
        "Print a line wherever a client is made: more than one for the process?"),
    Signature("D6", "clients", (NOT_PER_CONNECTION,),
        "Restart the kernel, or reload the page: is there one live sid then, until the cell or "
        "the module runs again?"),
    Signature("D7", "clients", (JS_CLIENT, NAMESPACE, NOT_PER_CONNECTION),
        "Print a line wherever `io(` is called for this namespace."),
    Signature("D5", "sessions", (CLIENT, PY_CLIENT),
        "Search the program for a `connect()` that can run during a reconnection, in a "
        "`disconnect` handler or a loop."),
    Signature("D16", "zombies", (),
        "Wait for ping_interval + ping_timeout: does the extra sid go away by itself?"),
    # --- sent again ---
    Signature("D8", "copies", (*_EACH_TIME, PER_CONNECTION, ONE_CONNECTION, NOT_AWAY),
        "Search the sender for a timer, loop or task that its `connect` handler starts."),
    Signature("D9", "copies", (*_EACH_TIME, CLIENT, ONE_CONNECTION),
        "Connect one more client of another user: does everybody get one copy more? Then the "
        "server's `connection` handler listens to something that all share."),
    Signature("D11", "copies", (*_EACH_TIME, SERVER, PER_CONNECTION, SEVERAL_CONNECTIONS, NOT_AWAY),
        "Is it what the client's `connect` handler emits?"),
    Signature("D12", "copies", (*_AT_TIMES, SERVER, JS_CLIENT, RECONNECTED, ONE_CONNECTION, AWAY),
        "Does the program keep what it could not send, and send it in `connect`? The library "
        "does as well."),
    Signature("D13", "copies", (*_AT_TIMES, SERVER, JS_CLIENT, RECONNECTED, SEVERAL_CONNECTIONS,
        ACK, ONE_SERVER),
        "Is `retries` among the client's options?"),
    Signature("D14", "copies", (*_AT_TIMES, SERVER, JS_CLIENT, ONE_CONNECTION, ACK, NOT_AWAY),
        "Is the client older than 4.8.2, with `retries` among its options?"),
    Signature("D15", "copies", (*_AT_TIMES, SERVER, RECONNECTED, SEVERAL_CONNECTIONS, ACK,
        ONE_SERVER),
        "Does the program call again after a timeout?"),
    Signature("D17", "copies", (*_EACH_TIME, CLIENT, ONE_CONNECTION, SERVERS),
        "Stop all servers but one: does it come once?"),
    Signature("D18", "copies", (*_EACH_TIME, CLIENT, ONE_CONNECTION, ONE_SERVER),
        "Print the rooms of the user, `sio.rooms(sid)`: is there an emit for each?"),
    Signature("D20", "copies", (*_AT_TIMES, CLIENT, JS_CLIENT, JS_SERVER, RECONNECTED, AWAY,
        SEVERAL_CONNECTIONS),
        "Switch `connectionStateRecovery` off: does it come once, or not at all?"),
    Signature("D21", "copies", (*_AT_TIMES, CLIENT, ONE_CONNECTION, NO_ACK, ONE_SERVER),
        "Do only those messages come twice that are sent while somebody comes back? Then one "
        "copy is live, and one from the history."),
    Signature("D23", "copies", (NOT_CONNECT, SERVER, ACK, OVERLAPPED, SOMETIMES),
        "Is there an `await` between the check of the id and its mark?"),
    Signature("D24", "copies", (*_AT_TIMES, SERVER, SEVERAL_CONNECTIONS, ACK, SERVERS),
        "Where are the ids kept that the handler compares: in the process?"),
    Signature("D26", "copies", (SERVER, CONNECT, PY_CLIENT, PY_SERVER),
        "Time the server's `connect` handler: more than a second?"),
    # --- run again, or counted again ---
    Signature("D25", "runs", (SERVER, CONNECT, PY_SERVER),
        "Does the handler raise a TypeError? Catch it in the handler, and log it."),
    Signature("D22", "effects", (),
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
    *_either("L17", ("not sent", "lost"), (SERVER, PY_CLIENT, SAYS_AWAY, BY_CLIENT),
        look="Does the program disconnect, or end, right after the emit?"),
    Signature("L2", "lost", (NOT_RAISED, BY_NETWORK, SOMETIMES),
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
    Signature("L11", "in vain", (SERVER, JS_CLIENT, AWAY, SOMETIMES),
        "Are the ids that the server compares made of `socket.id`?"),
    Signature("L18", "in vain", (NOT_EARLY, OVERLAPPED, SOMETIMES),
        "Give the messages numbers: does an older one end last?"),
    *_either("L20", ("in vain",), (CLIENT, PY_CLIENT, NOT_EARLY, NOT_OVERLAPPED, ALWAYS),
        (SERVER, PY_SERVER, NOT_OVERLAPPED, ALWAYS),
        look="Search for a second handler of the same event: python-socketio keeps the last."),
    Signature("L21", "in vain", (SERVER, PY_SERVER, NOT_OVERLAPPED, NOT_AWAY),
        "Is the handler registered inside the server's `connect`, and does it use a name from "
        "there for the user?"),
)  # fmt: skip
"""At least one for each cause that the atlas reproduces."""

TWINS = (
    ("D1", "D2"),
    ("D3", "D10"),
    ("D6", "D7"),
    ("D8", "D9", "D17", "D18"),
    ("D13", "D15"),
    ("L1", "L10"),
    ("L5", "L6"),
    ("L20", "L21"),
)
"""Causes that can leave the same counters and clues: a look at the program tells them apart."""

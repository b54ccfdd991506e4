"""The clues as conditions: what must hold for a cause, and what speaks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Need:
    """Something that must hold for a clue, or that speaks for a cause.

    Attributes
    ----------
    clue : str
        Its name.
    words : str
        What holds, such as ``"the client had reconnected"``.
    holds : callable
        Gets the value of the clue, and the number of the family: 4 for four listeners.
    must : bool
        Whether the cause is ruled out if it does not hold.
    """

    clue: str
    words: str
    holds: Callable[[Any, int], bool]
    must: bool = True


QUESTIONS = {
    "recipient": "Who handles the message: 'client' or 'server'?",
    "client": "Which library is the client: 'javascript' (its listeners add up) or 'python'?",
    "server": "Which library is the server: 'javascript' or 'python'?",
    "event": "Which event is it? 'connect' is the connection itself.",
    "grows": "Cut once more and count again: is there one more after each reconnect?",
    "always": "Does it happen to every message of this kind (True), or to some (False)?",
    "reconnects": "How often had the client reconnected when the message came?",
    "ids": "Does the handler compare ids, to tell copies apart?",
    "connections": "On how many different connections did its copies come?",
    "servers": "How many servers did its copies pass? One that was restarted counts as two.",
    "acknowledged": "Does the sender wait for an acknowledgement?",
    "overlapped": "Did a call begin while another with the same event was still at work?",
    "early": "Does it reach the client before the client is connected?",
    "away": "Was it emitted while the client was away?",
    "raised": "Did emit() raise an exception?",
    "arrived": "Did a packet of it reach the recipient?",
    "connected": "What does the client say of itself: client.connected, socket.connected?",
    "refused": "Has an attempt of the client to connect failed since its last connection?",
    "reason": "Who ended the client's last connection: 'network', 'server' or 'client'?",
    "namespace": "Which namespace is it in? '/' unless the program names one.",
}
"""How to find out each clue."""


def _is(clue: str, value: Any, words: str) -> Need:
    return Need(clue, words, lambda seen, _: seen == value)


def maybe(*needs: Need) -> tuple[Need, ...]:
    """Let needs speak for a cause, and not rule it out if it is otherwise."""
    return tuple(replace(need, must=False) for need in needs)


CLIENT = _is("recipient", "client", "the client handles it")
SERVER = _is("recipient", "server", "the server handles it")
JS_CLIENT = _is("client", "javascript", "the client's listeners add up, as in JavaScript")
PY_CLIENT = _is("client", "python", "the client is python-socketio's")
JS_SERVER = _is("server", "javascript", "the server is socket.io's, in JavaScript")
PY_SERVER = _is("server", "python", "the server is python-socketio's")
CONNECT = _is("event", "connect", "the event is 'connect'")
NOT_CONNECT = Need("event", "the event is not 'connect'", lambda seen, _: seen != "connect")
NAMESPACE = Need("namespace", "it has a namespace of its own", lambda seen, _: seen != "/")
RECONNECTED = Need("reconnects", "the client had reconnected", lambda seen, _: seen >= 1)
NOT_RECONNECTED = _is("reconnects", 0, "the client had not reconnected")
PER_CONNECTION = Need(
    "reconnects",
    "there is exactly one for each connection so far",
    lambda seen, number: seen >= 1 and number == seen + 1,
)
NOT_PER_CONNECTION = Need(
    "reconnects",
    "there is not exactly one for each connection so far",
    lambda seen, number: number != seen + 1,
)
GROWS = _is("grows", True, "each reconnect adds one")
GROWS_NOT = _is("grows", False, "a reconnect adds none")
ALWAYS = _is("always", True, "it happens to every message of this kind")
SOMETIMES = _is("always", False, "it happens to some messages only")
IDS = _is("ids", True, "the handler compares ids")
NO_IDS = _is("ids", False, "the handler compares no ids")
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
NOT_ARRIVED = _is("arrived", False, "no packet of it reached the recipient")
SAYS_CONNECTED = _is("connected", True, "the client says that it is connected")
SAYS_AWAY = _is("connected", False, "the client says that it is not connected")
REFUSED = _is("refused", True, "the client could not connect again")
NOT_REFUSED = _is("refused", False, "the client has not tried to connect again, or could")
BY_NETWORK = _is("reason", "network", "the network ended the connection")
BY_SERVER = _is("reason", "server", "the server ended the connection")
BY_CLIENT = _is("reason", "client", "the client ended the connection")

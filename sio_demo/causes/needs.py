"""The clues to a cause: how to find each out, and what must hold for a cause or speaks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
        Gets the value of the clue, and the number of the pattern: 4 for four listeners.
    """

    clue: str
    words: str
    holds: Callable[[Any, int], bool]


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
    "emitted": "How often was emit() called for it? (Observe the end that sends.)",
    "reached": "How many sessions were in the room, or had the sid, that emit() was given?",
    "skipped": "Did emit() leave somebody out, by skip_sid, include_self=False or socket.to()?",
    "volatile": "Was it emitted as volatile?",
    "worked": "Was another message of this event handled?",
    "large": "Is it longer than the server takes: 1 MB, or its max_http_buffer_size?",
    "queued": "How many packets waited for one request of long-polling? 0 over WebSocket.",
    "strangers": "How many of the live sids belong to clients that nobody observed?",
    "before": "Was the client ever connected?",
    "early": "Does it reach the client before the client is connected?",
    "away": "Was it emitted while the client was away?",
    "raised": "Did emit() raise an exception?",
    "arrived": "Did a packet of it reach the recipient?",
    "connected": "What does the client say of itself: client.connected, socket.connected?",
    "refused": "Has an attempt of the client to connect failed since its last connection?",
    "rejected": "Did the server reject it, so that `connect_error` has the server's words?",
    "reason": "Why did the client's last connection end, in the library's words ('' if none has)?",
    "namespace": "Which namespace is it in? '/' unless the program names one.",
}
"""How to find out each clue."""


def _is(clue: str, value: Any, words: str) -> Need:
    return Need(clue, words, lambda seen, _: seen == value)


def _sides(reason: str) -> str:
    """Return which side ended a connection, by the library's reason; empty for the network."""
    return next((side for side in ("client", "server") if side in reason), "")


NEEDS = {
    "to client": _is("recipient", "client", "the client handles it"),
    "to server": _is("recipient", "server", "the server handles it"),
    "javascript client": _is(
        "client", "javascript", "the client's listeners add up, as in JavaScript"
    ),
    "python client": _is("client", "python", "the client is python-socketio's"),
    "javascript server": _is("server", "javascript", "the server is socket.io's, in JavaScript"),
    "python server": _is("server", "python", "the server is python-socketio's"),
    "connect": _is("event", "connect", "the event is 'connect'"),
    "not connect": Need("event", "the event is not 'connect'", lambda seen, _: seen != "connect"),
    "own namespace": Need(
        "namespace", "it has a namespace of its own", lambda seen, _: seen != "/"
    ),
    "reconnected": Need("reconnects", "the client had reconnected", lambda seen, _: seen >= 1),
    "not reconnected": _is("reconnects", 0, "the client had not reconnected"),
    "one per connection": Need(
        "reconnects",
        "there is exactly one for each connection so far",
        lambda seen, number: seen >= 1 and number == seen + 1,
    ),
    "not one per connection": Need(
        "reconnects",
        "there is not exactly one for each connection so far",
        lambda seen, number: number != seen + 1,
    ),
    "grows": _is("grows", True, "each reconnect adds one"),
    "does not grow": _is("grows", False, "a reconnect adds none"),
    "always": _is("always", True, "it happens to every message of this kind"),
    "sometimes": _is("always", False, "it happens to some messages only"),
    "ids": _is("ids", True, "the handler compares ids"),
    "no ids": _is("ids", False, "the handler compares no ids"),
    "one connection": _is("connections", 1, "its copies came on one connection"),
    "several connections": Need(
        "connections", "its copies came on several connections", lambda seen, _: seen > 1
    ),
    "several servers": Need("servers", "there are several servers", lambda seen, _: seen > 1),
    "one server": _is("servers", 1, "there is one server"),
    "acknowledged": _is("acknowledged", True, "the sender waits for an acknowledgement"),
    "not acknowledged": _is("acknowledged", False, "the sender waits for no acknowledgement"),
    "overlapped": _is("overlapped", True, "its calls overlapped"),
    "not overlapped": _is("overlapped", False, "its calls did not overlap"),
    "early": _is("early", True, "it came before the client was connected"),
    "not early": _is("early", False, "the client was connected when it came"),
    "away": _is("away", True, "it was emitted while the client was away"),
    "not away": _is("away", False, "the client was not away when it was emitted"),
    "raised": _is("raised", True, "emit() raised an exception"),
    "not raised": _is("raised", False, "emit() raised nothing"),
    "not arrived": _is("arrived", False, "no packet of it reached the recipient"),
    "says connected": _is("connected", True, "the client says that it is connected"),
    "says not connected": _is("connected", False, "the client says that it is not connected"),
    "refused": _is("refused", True, "the client could not connect again"),
    "rejected": _is("rejected", True, "the server has rejected the client"),
    "not rejected": _is("rejected", False, "the server has not rejected the client"),
    "not refused": _is("refused", False, "the client has not tried to connect again, or could"),
    "ended by network": Need(
        "reason", "the network ended the connection", lambda seen, _: seen and not _sides(seen)
    ),
    "not ended by a side": Need(
        "reason", "neither side has ended the connection", lambda seen, _: not _sides(seen)
    ),
    "ended by server": Need(
        "reason", "the server ended the connection", lambda seen, _: _sides(seen) == "server"
    ),
    "ended by client": Need(
        "reason", "the client ended the connection", lambda seen, _: _sides(seen) == "client"
    ),
    "emitted": Need("emitted", "emit() was called for it", lambda seen, _: seen >= 1),
    "not emitted": _is("emitted", 0, "emit() was not called for it on the end that was observed"),
    "emitted once": _is("emitted", 1, "emit() was called for it once"),
    "emitted again": Need("emitted", "emit() was called for it again", lambda seen, _: seen > 1),
    "to nobody": _is("reached", 0, "its emit() was for no session"),
    "skipped": _is("skipped", True, "its emit() left somebody out"),
    "volatile": _is("volatile", True, "it was volatile"),
    "worked": _is("worked", True, "another message of this event was handled"),
    "large": _is("large", True, "it is longer than the server takes"),
    "not large": _is("large", False, "it is not longer than the server takes"),
    "burst": Need("queued", "over 16 packets were in a request", lambda seen, _: seen > 16),
    "no burst": Need("queued", "at most 16 were in a request", lambda seen, _: seen <= 16),
    "no strangers": _is("strangers", 0, "each sid is, or was, an observed client's"),
    "was connected": _is("before", True, "the client was connected before"),
    "never connected": _is("before", False, "the client was never connected"),
}
"""The needs, by the names that the files of causes have for them."""

r"""The wire format: what an outbox and an inbox say to each other. No I/O.

The client emits the event ``"outbox"`` with one argument, a batch, and asks for an
acknowledgement::

    {"producer": "0b0e7c1e-...", "epoch": 1760000000000000, "first": 17, "confirmed": 12,
     "messages": ["[\"payment\",{\"amount\":10}]", "[\"payment\",{\"amount\":20}]"]}

``producer``
    A UUID, minted once by the sender and kept with its messages.
``epoch``
    An integer that grows each time the sender starts anew: the time in microseconds. The
    inbox refuses a lower one than it has seen.
``first``
    The sequence number of the first message. The sender counts its messages 0, 1, 2, ...
``confirmed``
    The replies to all messages below this number have arrived: the inbox may forget them.
``messages``
    The JSON text of ``[event, payload]`` of each. It is made once; a retry sends the same
    text, so that two texts can be compared where two JSON documents cannot.

The acknowledgement has one argument. Either ``next``, the sequence number that the inbox
expects next, and ``replies``, a JSON text for each message or for the first few of them::

    {"next": 19, "replies": ["{\"ok\":null}", "{\"error\":\"ValueError: no such account\"}"]}

or why nothing of the batch was applied. Only ``"StoreError"`` is worth a retry::

    {"error": "SequenceError", "message": "...", "next": 5}

A message without an acknowledgement is sent again, with all that follow it, in order. The
names are those of Kafka's idempotent producer (KIP-98).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from .. import errors
from ..errors import BatchError, DeliveryError, HandlerError, PayloadError

EVENT = "outbox"
LONGEST = 400_000  # characters of a text or a batch: escaped it stays below 1 MB, Engine.IO's limit
NOTHING = '{"ok":null}'  # the reply of a handler that returns None

_LARGEST = 2**53 - 1  # JavaScript's Number.MAX_SAFE_INTEGER
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_decode = json.JSONDecoder().decode


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages of one producer in a row, as texts."""

    producer: str
    epoch: int
    first: int
    confirmed: int
    messages: list[str]

    @property
    def end(self) -> int:
        """The sequence number after the last message."""
        return self.first + len(self.messages)

    def to_wire(self) -> dict[str, Any]:
        """Give the argument of the event."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_wire(cls, data: Any) -> Batch:
        """Read the argument of the event.

        Raises
        ------
        BatchError
            It is not of the documented form.
        """
        if not isinstance(data, dict) or set(data) != set(cls.__slots__):
            raise BatchError(f"A batch is an object with {', '.join(cls.__slots__)}.")
        batch = cls(**data)
        if not isinstance(batch.producer, str) or not _UUID.fullmatch(batch.producer):
            raise BatchError(f"producer must be a UUID in lower case, not {batch.producer!r}.")
        for name in ("epoch", "first", "confirmed"):
            number = data[name]
            if type(number) is not int or not 0 <= number <= _LARGEST:
                raise BatchError(f"{name} must be an integer from 0 to 2**53 - 1, not {number!r}.")
        if batch.confirmed > batch.first:
            raise BatchError(f"confirmed ({batch.confirmed}) is beyond first ({batch.first}).")
        if not isinstance(batch.messages, list):
            raise BatchError("messages must be an array of JSON texts.")
        return batch


def write_message(event: str, payload: Any) -> str:
    """Give the text of a message.

    Raises
    ------
    PayloadError
        `payload` is not JSON (NaN is not), or longer than :data:`LONGEST` characters.
    """
    try:
        text = _encode([event, payload])
    except (TypeError, ValueError, RecursionError) as error:
        raise PayloadError(f"The payload of {event!r} is not JSON: {error}.") from error
    if len(text) > LONGEST:
        raise PayloadError(
            f"The payload of {event!r} takes {len(text):,} characters of JSON; {LONGEST:,} are "
            "allowed. Send it in parts, or a reference to it."
        )
    return text


def read_message(text: Any) -> tuple[str, Any]:
    """Give the event and the payload of a text.

    Raises
    ------
    BatchError
        It is not the JSON text of ``[event, payload]``.
    """
    try:
        event, payload = _decode(text)
        if isinstance(event, str):
            return event, payload
    except (TypeError, ValueError, RecursionError):
        pass
    raise BatchError(f"A message must be the JSON text of [event, payload], not {text!r:.80}.")


def digest(text: str) -> bytes:
    """Give eight bytes that tell whether a text is the same as before."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def write_reply(value: Any) -> str:
    """Give the text of what a handler returned; it raises `PayloadError` as `write_message`."""
    return NOTHING if value is None else '{"ok":' + write_message("reply", value)[9:-1] + "}"


def write_failure(error: BaseException) -> str:
    """Return the reply text for a handler that raised."""
    return _encode({"error": in_words(error)[:1000]})


def in_words(error: BaseException) -> str:
    """Return the type and the message of an exception, also of one whose ``str()`` raises."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception as another:
        return f"{type(error).__name__}, whose str() raised {type(another).__name__}"


def read_reply(text: Any) -> tuple[Any, DeliveryError | None]:
    """Give what a handler returned, or the error that stands for what it raised."""
    if text == NOTHING:
        return None, None
    try:
        match _decode(text):
            case {"ok": value}:
                return value, None
            case {"error": str(message)}:
                return None, HandlerError(message)
    except (TypeError, ValueError, RecursionError):
        pass
    return None, BatchError(f"The message was applied, but this is no reply: {text!r:.80}.")


@dataclass(frozen=True, slots=True)
class Answer:
    """What an inbox says to a batch: replies, or the reason why there are none."""

    next: int
    replies: list[str]
    error: DeliveryError | None = None

    def to_wire(self) -> dict[str, Any]:
        """Give the argument of the acknowledgement."""
        if self.error is not None:
            name = type(self.error).__name__
            return {"error": name, "message": str(self.error), "next": self.next}
        return {"next": self.next, "replies": self.replies}

    @classmethod
    def from_wire(cls, data: Any) -> Answer:
        """Read the argument of the acknowledgement.

        Raises
        ------
        BatchError
            It is not of the documented form: the server's handler is not an inbox.
        """
        match data:
            case {"next": int(number), "replies": [*replies]}:
                return cls(number, replies)
            case {"error": str(name), "message": str(message), "next": int(number)}:
                kind = getattr(errors, name, None)
                if not (isinstance(kind, type) and issubclass(kind, DeliveryError)):
                    kind = DeliveryError
                return cls(number, [], kind(message))
        raise BatchError(f"This is not the answer of an inbox: {data!r:.80}.")

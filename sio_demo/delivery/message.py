r"""The wire format between an outbox and an inbox. No I/O.

The client emits the event ``"outbox"`` with one argument, a batch, and asks for an
acknowledgement::

    {"producer": "0b0e7c1e-...", "epoch": 1760000000000000, "first": 17, "confirmed": 12,
     "messages": ["[\"payment\",{\"amount\":10}]", "[\"payment\",{\"amount\":20}]"]}

``producer``
    A UUID that the sender generates once and stores with its messages.
``epoch``
    An integer that grows every time the sender starts: the time in microseconds. The inbox
    refuses an epoch lower than the highest it has seen.
``first``
    The sequence number of the first message. The sender counts its messages 0, 1, 2, ...
``confirmed``
    The replies to all messages below this number have arrived: the inbox may delete them.
``messages``
    The JSON text of ``[event, payload]`` for each message. The text is made once and every retry
    sends the same one, so the inbox can compare texts to tell whether it is the same message.

The acknowledgement has one argument. If the batch was applied, it has ``next``, the sequence
number that the inbox expects next, and ``replies``, a JSON text for each message or for the
first few of them::

    {"next": 19, "replies": ["{\"ok\":null}", "{\"error\":\"ValueError: no such account\"}"]}

If nothing of it was applied, it has the reason::

    {"error": "SequenceError", "message": "...", "next": 5}

Two errors are worth a retry: ``"StoreError"``, after a while; and ``"SequenceError"``, if the
sender still has message ``next``, from that message on.

A message without an acknowledgement is sent again, followed by all later ones, in order. The
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
LONGEST = 400_000  # characters of a text or a batch: below Engine.IO's limit of 1 MB when escaped
NOTHING = '{"ok":null}'  # the reply of a handler that returns None

_LARGEST = 2**53 - 1  # JavaScript's Number.MAX_SAFE_INTEGER
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_decode = json.JSONDecoder().decode


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive messages of one producer, as JSON texts."""

    producer: str
    epoch: int
    first: int
    confirmed: int
    messages: list[str]

    @property
    def end(self) -> int:
        """The sequence number after that of the last message."""
        return self.first + len(self.messages)

    def to_wire(self) -> dict[str, Any]:
        """Return the argument of the event."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_wire(cls, data: Any) -> Batch:
        """Read the argument of the event.

        Raises
        ------
        BatchError
            It does not have the documented format.
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
    """Return the JSON text of a message.

    Raises
    ------
    PayloadError
        `payload` is not JSON (NaN is not), or its text is longer than :data:`LONGEST` characters.
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
    """Return the event and the payload of a message.

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
    """Return eight bytes by which to recognize a text later."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def write_reply(value: Any) -> str:
    """Return the JSON text of a handler's reply; raise `PayloadError` as `write_message` does."""
    return NOTHING if value is None else '{"ok":' + write_message("reply", value)[9:-1] + "}"


def write_failure(error: BaseException) -> str:
    """Return the reply text for a handler that raised."""
    return _encode({"error": in_words(error)[:1000]})


def in_words(error: BaseException) -> str:
    """Return the type and message of an exception, even if its ``str()`` raises."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception as another:
        return f"{type(error).__name__}, whose str() raised {type(another).__name__}"


def read_reply(text: Any) -> tuple[Any, DeliveryError | None]:
    """Return what the handler returned and None, or None and an error."""
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
    """An inbox's answer to a batch: replies, or the error why there are none."""

    next: int
    replies: list[str]
    error: DeliveryError | None = None

    def to_wire(self) -> dict[str, Any]:
        """Return the argument of the acknowledgement."""
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
            It does not have the documented format: an inbox did not write it.
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

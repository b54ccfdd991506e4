"""The wire format between an outbox and an inbox, which PROTOCOL.md describes. No I/O."""

from __future__ import annotations

import json
import re
import secrets
from binascii import b2a_base64
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any, ClassVar, NamedTuple, Self

from .. import errors

EVENT = "outbox"
FEED = "feed"
HELLO = "outbox_hello"
LARGEST = 999_000  # characters in a packet of 1 MB, Engine.IO's default limit
DEEPEST = 300  # lists and dicts in one another: readers have stacks of different depths
LONGEST_NAME = 200  # characters of an event, and of a message's id
NOTHING = '{"ok":null}'  # the reply of a handler that returns None
WITHDRAWN = '{"withdrawn":null}'

_ID = 16  # characters: 12 random bytes
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    return number if isfinite(number := float(text)) else _refuse_constant(text)


_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_decode = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite).decode


class Message(NamedTuple):
    """What a text says. A withdrawn message has no payload to apply."""

    id: str
    event: str
    payload: Any
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Packet:
    """What crosses the wire as an object with the fields of a class."""

    may_be_refusal: ClassVar[bool] = False  # an answer, or why there is none

    def to_wire(self) -> dict[str, Any]:
        """Return the argument of the event, or of the acknowledgement."""
        names: tuple[str, ...] = self.__slots__
        values = [getattr(self, name) for name in names]
        wired = (one.to_wire() if isinstance(one, Packet) else one for one in values)
        return dict(zip(names, wired, strict=True))

    @classmethod
    def from_wire(cls, data: Any) -> Self:
        """Read that argument; raise `BatchError` if it does not have the documented format."""
        name = cls.__name__.lower()
        fields: tuple[str, ...] = cls.__slots__
        if cls.may_be_refusal and isinstance(data, dict) and "error" in data:
            unnamed = errors.BatchError("The server refused without a reason.")
            raise Answer.from_wire(data).error or unnamed
        if not isinstance(data, dict) or set(data) != set(fields):
            raise errors.BatchError(f"A {name} is an object with {', '.join(fields)}.")
        for field, value in data.items():
            if not _RULES.get(field, _is_count)(value):
                raise errors.BatchError(f"{field} does not have the documented format.")
        return cls(**data)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**53  # JavaScript's MAX_SAFE_INTEGER


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_NAME and value.isprintable()


_RULES: dict[str, Callable[[Any], object]] = {
    "producer": lambda value: isinstance(value, str) and _UUID.fullmatch(value),
    "known": lambda value: type(value) is bool,
    "messages": lambda value: type(value) is list and all(type(one) is str for one in value),
    "start": _is_name,
    "topic": _is_name,
    "entries": lambda value: value is None or isinstance(value, Batch),
    "after": _is_name,
    "last": _is_name,
    **dict.fromkeys(("batch", "characters", "unconfirmed"), lambda n: _is_count(n) and n > 0),
}


@dataclass(frozen=True, slots=True)
class Hello(Packet):
    """The first request on a connection: who sends."""

    producer: str
    known: bool = False
    epoch: int = 1
    start: str = ""


@dataclass(frozen=True, slots=True)
class Welcome(Packet):
    """The answer to a hello: what to go on with, and the limits of the inbox."""

    next: int
    last: str
    confirmed: int
    batch: int
    characters: int
    unconfirmed: int
    may_be_refusal = True


@dataclass(frozen=True, slots=True)
class Batch(Packet):
    """Consecutive messages of one producer, as JSON texts."""

    producer: str
    epoch: int
    first: int
    after: str
    confirmed: int
    messages: list[str]

    @property
    def end(self) -> int:
        """The sequence number after that of the last message."""
        return self.first + len(self.messages)

    @classmethod
    def from_wire(cls, data: Any) -> Self:
        batch = super(Batch, cls).from_wire(data)
        if batch.confirmed > batch.first:
            raise errors.BatchError(f"confirmed is {batch.confirmed}, beyond first.")
        return batch


@dataclass(frozen=True, slots=True)
class Question(Packet):
    """What a follower asks: the entries of a topic from an offset on."""

    topic: str
    next: int


@dataclass(frozen=True, slots=True)
class Page(Packet):
    """Consecutive entries of a topic, and the offset after the last in the log."""

    topic: str
    end: int
    entries: Batch | None
    may_be_refusal = True

    @classmethod
    def from_wire(cls, data: Any) -> Self:
        if isinstance(data, dict) and data.get("entries") is not None:
            data = {**data, "entries": Batch.from_wire(data["entries"])}
        return super(Page, cls).from_wire(data)


def only(arguments: tuple[Any, ...]) -> Any:
    """Return the argument of an event; what has more or none is no packet."""
    return arguments[0] if len(arguments) == 1 else arguments


def wire_size(text: str) -> int:
    """Return how many characters a text takes in a packet, as a JSON string and a comma."""
    if len(text) < 500:  # as if each needed an escape: counting takes time
        return 2 * len(text) + 3
    return len(text) + text.count('"') + text.count("\\") + 3


def check_event(event: Any) -> None:
    """Raise UsageError if this is no name of an event."""
    if not isinstance(event, str) or not 0 < len(event) <= LONGEST_NAME:
        raise errors.UsageError(f"The event must be a str of 1 to {LONGEST_NAME} characters.")


def check_topic(topic: Any) -> None:
    """Raise UsageError if this is no name of a topic."""
    if not _is_name(topic):
        raise errors.UsageError(f"A topic is a str of {LONGEST_NAME} printable characters at most.")


def can_be_stored(text: str) -> bool:
    """Return whether every store takes a text: PostgreSQL takes no NUL, nobody half a pair."""
    return (text.isascii() and "\0" not in text) or text == storable(text)


def storable(text: str) -> str:
    """Return a text, with escapes for what a store does not take."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def write_message(event: str, payload: Any) -> str:
    """Return a message with a new id, as JSON; raise `PayloadError` if it is none, or too long."""
    check_event(event)
    name = b2a_base64(secrets.token_bytes(12), newline=False).decode()
    return _as_json([name, event, payload], f"The payload of {event!r}")


def _as_json(value: Any, what: str) -> str:
    try:
        text = _encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise errors.PayloadError(f"{what} is not JSON: {error}.") from error
    if text.count("[") + text.count("{") > DEEPEST and _is_deep(value):
        raise errors.PayloadError(f"{what} is nested too deeply: {DEEPEST - 1} levels are allowed.")
    if (size := wire_size(text)) > LARGEST:
        raise errors.PayloadError(
            f"{what} takes {size:,} characters in a packet; {LARGEST:,} are allowed. Send it in "
            "parts, or a reference to it."
        )
    return text


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        inner = (one.values() if isinstance(one, dict) else one for one in level)
        level = [part for parts in inner for part in parts if isinstance(part, dict | list | tuple)]
    return bool(level)


def id_of(text: str) -> str:
    """Return the id in a text of `write_message`, unread."""
    return text[2 : 2 + _ID]


def withdrawn(text: str) -> str:
    """Return what takes the place of a message that its sender withdraws."""
    return _encode(_decode(text)[:2])


def read_message(text: Any) -> Message:
    """Return what a text says; raise `BatchError` if `write_message` cannot have written it."""
    try:
        parts = _decode(text)
        name, event, *payload = parts
        good = type(parts) is list and type(name) is type(event) is str and len(payload) < 2
        good = good and can_be_stored(text)
        if good and name and _is_name(name) and len(event) <= LONGEST_NAME:
            return Message(name, event, payload[0] if payload else None, not payload)
    except (TypeError, ValueError, RecursionError):
        pass
    raise errors.BatchError("A message must be the JSON text of [id, event, payload].")


def write_reply(value: Any) -> str:
    """Return the JSON text of a handler's reply; raise `PayloadError` as `write_message` does."""
    return NOTHING if value is None else _as_json({"ok": value}, "The reply")


def write_failure(error: BaseException, kind: str = "error") -> str:
    """Return the reply text for a handler that raised; `kind` is ``"error"`` or ``"dead"``."""
    return _encode({kind: in_words(error)})


def in_words(error: BaseException) -> str:
    """Return the type and message of an exception, even if its ``str()`` raises."""
    name = "An exception"
    try:
        name = type(error).__name__
        return f"{name}: {error}"[:1000]
    except BaseException as another:
        return f"{name}, whose str() raised {type(another).__name__}"


def read_reply(text: Any) -> tuple[Any, errors.DeliveryError | None]:
    """Return what the handler returned and None, or None and an error."""
    if text == NOTHING:
        return None, None
    try:
        match _decode(text):
            case {"error": str(words)}:
                return None, errors.HandlerError(words)
            case {"ok": value}:
                return value, None
            case {"dead": str(words)}:
                return None, errors.DeadLetterError(words)
            case {"withdrawn": None}:
                return None, errors.PayloadError("It is too long for this server's packets.")
    except (TypeError, ValueError, RecursionError):
        pass
    return None, errors.BatchError(
        "The message was applied, but an inbox did not write this reply."
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """An inbox's answer to a batch: replies, and the error why there are no more."""

    next: int
    replies: list[str]
    error: errors.DeliveryError | None = None

    def to_wire(self) -> dict[str, Any]:
        answer: dict[str, Any] = {"next": self.next, "replies": self.replies}
        if self.error is not None:
            answer |= {"error": type(self.error).__name__, "message": str(self.error)}
        return answer

    @classmethod
    def from_wire(cls, data: Any) -> Answer:
        match data:
            case {"next": int(number), "replies": [*replies], "error": str(name)}:
                kind = getattr(errors, name, None)
                if not (isinstance(kind, type) and issubclass(kind, errors.DeliveryError)):
                    kind = errors.DeliveryError
                return cls(number, replies, kind(str(data.get("message"))))
            case {"next": int(number), "replies": [_, *_] as replies}:
                return cls(number, replies)
        raise errors.BatchError("This is not the answer of an inbox.")

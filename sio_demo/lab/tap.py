"""What the link saw: recorded as it passes, decoded on demand; no I/O."""

import asyncio
import inspect
import math
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..errors import NotSeenError, UsageError
from .packet import DIRECTIONS, Direction, Packet, undecoded
from .wire import Conversation

PACKETS_KEPT = 2_000
UNDECODED_BYTES_KEPT = 8 * 2**20
CHUNK_SIZE = 256  # bytes that a Chunk takes besides its data, roughly

Wanted = str | Callable[[Packet], bool]


@dataclass(slots=True, eq=False)
class Chunk:
    """Bytes on their way through the link, with the packets that end in them."""

    data: bytes
    conversation: Conversation  # of its connection
    direction: Direction
    delivered: bool = True
    packets: list[Packet] = field(default_factory=list)

    def lose(self) -> None:
        """Note that these bytes never reached the other side."""
        self.delivered = False
        for packet in self.packets:
            packet.delivered = False


class Expectation:
    """A packet that is awaited: ``await`` returns the first that is wanted, once it has passed."""

    def __init__(self, wanted: Wanted, direction: Direction | None, timeout: float) -> None:
        check_direction(direction)
        check_seconds("timeout", timeout)
        self.found: asyncio.Future[Packet] = asyncio.get_running_loop().create_future()
        self._matches = _matcher(wanted)
        self._wanted = wanted
        self._direction = direction
        self._timeout = timeout
        self._why_not = ""

    @property
    def met(self) -> bool:
        """Whether the wait is over, and not because it was given up."""
        return self.found.done() and not self.found.cancelled()

    def __await__(self) -> Generator[Any, None, Packet]:
        """Wait for the packet; NotSeenError: it did not pass in time, or the link was closed."""
        return self._wait().__await__()

    def cancel(self) -> None:
        self.give_up("before the wait was ended")

    def see(self, packets: list[Packet]) -> None:
        if packet := self.pick(packets):
            self.meet(packet)

    def pick(self, packets: list[Packet]) -> Packet | None:
        """Return the first wanted packet; an error in the caller's function ends the wait."""
        if self.found.done():
            return None
        try:
            return next(filter(self._wants, packets), None)
        except Exception as error:
            self.found.set_exception(error)
            return None

    def meet(self, packet: Packet) -> None:
        """End the wait with the packet, unless it has ended."""
        if not self.found.done():
            self.found.set_result(packet)

    def give_up(self, why: str) -> None:
        """End the wait without a packet, unless it has ended."""
        if not self.found.done():
            self._why_not = why
            self.found.cancel()

    def _wants(self, packet: Packet) -> bool:
        return self._direction in (None, packet.direction) and self._matches(packet)

    async def _wait(self) -> Packet:
        await asyncio.wait([self.found], timeout=self._timeout)
        self.give_up(f"in {self._timeout:g} s")
        if self.met:
            return self.found.result()
        name = repr(self._wanted) if isinstance(self._wanted, str) else "of the wanted kind"
        packet = f"packet {name} {self._direction or ''}".rstrip()
        raise NotSeenError(
            f"No {packet} passed {self._why_not}. Look at `link.packets` to see what did pass."
        )


class Tap:
    """Everything that passed through a link, in order.

    Bytes are decoded when :attr:`packets` is read, or packet by packet while a watcher waits. The
    last 2,000 packets are kept; when 8 MiB wait unread, these are dropped, and their connections
    undecoded from there on.
    """

    def __init__(self) -> None:
        self.expectations: list[Expectation] = []
        self._packets: deque[Packet] = deque(maxlen=PACKETS_KEPT)
        self._order = 0
        self._unread: deque[Chunk] = deque()
        self._unread_bytes = 0

    @property
    def packets(self) -> list[Packet]:
        """The packets that passed, oldest first."""
        self._decode_unread()
        return list(self._packets)

    def watch(self, expectation: Expectation) -> None:
        """Have an expectation look at every packet until the wait is over."""
        self.expectations.append(expectation)
        expectation.found.add_done_callback(lambda _: self.expectations.remove(expectation))

    def dismiss(self) -> None:
        for expectation in self.expectations:
            expectation.give_up("before the link closed")

    def note(self, chunk: Chunk) -> None:
        """Record bytes without looking into them."""
        self._unread.append(chunk)
        self._unread_bytes += len(chunk.data) + CHUNK_SIZE
        if self._unread_bytes > UNDECODED_BYTES_KEPT:
            self._drop_unread()

    def read(self, chunk: Chunk) -> Iterator[Chunk]:
        """Record bytes packet by packet: give them again, in order, in pieces."""
        self._decode_unread()
        for data, packets in chunk.conversation.feed(chunk.direction, chunk.data):
            piece = Chunk(data, chunk.conversation, chunk.direction)
            self._add(piece, packets)
            yield piece

    def tell(self, packets: list[Packet]) -> None:
        for expectation in self.expectations if packets else ():
            expectation.see(packets)

    def _decode_unread(self) -> None:
        while self._unread:
            chunk = self._unread.popleft()
            for _, packets in chunk.conversation.feed(chunk.direction, chunk.data):
                self._add(chunk, packets)
        self._unread_bytes = 0

    def _add(self, chunk: Chunk, packets: list[Packet]) -> None:
        for packet in packets:
            self._order += 1
            packet.order = self._order
            packet.connection = chunk.conversation.connection
            packet.delivered = chunk.delivered
        chunk.packets += packets
        self._packets += packets

    def _drop_unread(self) -> None:
        for chunk in self._unread:
            if not chunk.conversation.broken:
                chunk.conversation.give_up()
                number = chunk.conversation.connection
                reason = f"connection {number}: too many bytes passed unread"
                self._add(chunk, [undecoded(chunk.direction, "websocket", reason)])
        self._unread.clear()
        self._unread_bytes = 0


def _matcher(wanted: Wanted) -> Callable[[Packet], bool]:
    if isinstance(wanted, str):
        return lambda packet: wanted in (packet.event, packet.name)
    if callable(wanted) and not inspect.iscoroutinefunction(wanted):
        return wanted
    raise UsageError(
        f"Name the packet by an event ('news'), by its kind ('ACK'), or give a function "
        f"of a packet that returns a bool; {wanted!r} is none of these."
    )


def check_direction(direction: Any) -> None:
    if direction is not None and direction not in DIRECTIONS:
        raise UsageError(
            f"There is no direction {direction!r}: take TO_SERVER, TO_CLIENT, or None for both."
        )


def check_seconds(name: str, seconds: Any) -> None:
    if not isinstance(seconds, (int, float)) or not 0 < seconds < math.inf:
        raise UsageError(f"{name} is a number of seconds greater than 0, not {seconds!r}.")

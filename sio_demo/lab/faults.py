"""The faults that last: what the network does to the bytes of one direction; no I/O.

They are what Toxiproxy calls toxics. `Link.inject` takes any subclass of :class:`Fault`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

from ..errors import UsageError
from .packet import Direction, Packet
from .tap import Expectation, Wanted, check_seconds

Cut = Literal["reset", "close", "half-open"]
CUTS: tuple[Cut, ...] = get_args(Cut)


class CutHere(NamedTuple):
    """How to cut a connection at the packets that are about to pass: before or after them."""

    how: Cut
    after: bool
    on_cut: Callable[[], None]
    on_missed: Callable[[], None]  # called instead if the connection ends before


class Fault:
    """A network without a fault: override what differs. One object serves a whole link."""

    blocks = False  # whether nothing arrives while the fault lasts

    def delay(self, size: int) -> float:
        """Return the seconds by which the next `size` bytes arrive later."""
        return 0.0

    def cut_at(self, packets: list[Packet]) -> CutHere | None:
        """Return how to cut at these packets, if at all.

        It is asked while the tap decodes what passes: as long as an `Expectation` waits.
        """
        return None


class Latency(Fault):
    """Delays every byte by so many seconds."""

    def __init__(self, seconds: float) -> None:
        check_seconds("latency()", seconds)
        self._seconds = seconds

    def delay(self, size: int) -> float:
        return self._seconds


class BlackHole(Fault):
    """Lets nothing through, silently; what it held arrives when it ends."""

    blocks = True


class CutWhen(Expectation, Fault):
    """Cuts a connection at a packet, once; ``await`` it for the packet, once that is done."""

    def __init__(
        self, wanted: Wanted, direction: Direction | None, timeout: float, how: Cut, after: bool
    ) -> None:
        check_cut(how)
        super().__init__(wanted, direction, timeout)
        self._how: Cut = how
        self._after = after
        self._struck = False

    def see(self, packets: list[Packet]) -> None:
        """Do nothing: it is met when it has cut, not when a packet passes."""

    def cut_at(self, packets: list[Packet]) -> CutHere | None:
        packet = None if self._struck else self.pick(packets)
        if packet is None:
            return None
        self._struck = True
        missed = partial(self.give_up, "before its connection ended")
        return CutHere(self._how, self._after, partial(self.meet, packet), missed)


def check_cut(how: Any) -> None:
    if how not in CUTS:
        raise UsageError(f"There is no cut {how!r}: take one of {', '.join(map(repr, CUTS))}.")

"""Checks of what the caller gives to a link: they raise before anything is done."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import urlsplit

from ..errors import ClosedError, UsageError
from .packet import DIRECTIONS
from .server import HOST, Server
from .tap import CUTS


def address(server: Any) -> tuple[str, int]:
    """Give the host and the port of a server, or of the URL of one on loopback."""
    if isinstance(server, Server):
        if server.closed:
            raise ClosedError("That server is closed. Make a new one with `await serve(sio)`.")
        return server.host, server.port
    try:
        parts = urlsplit(server)
        if parts.scheme == "http" and parts.hostname == HOST and parts.port:
            return parts.hostname, parts.port
    except (ValueError, TypeError, AttributeError):
        pass
    raise UsageError(
        f"A link takes what `await serve(sio)` gave, or a URL such as "
        f'"http://{HOST}:5000", not {server!r}.'
    )


def check_direction(direction: Any) -> None:
    """Accept one of the two directions, or None."""
    if direction is not None and direction not in DIRECTIONS:
        raise UsageError(
            f"There is no direction {direction!r}: take TO_SERVER, TO_CLIENT, or None for both."
        )


def check_cut(how: Any) -> None:
    """Accept the name of a way to cut."""
    if how not in CUTS:
        raise UsageError(f"There is no cut {how!r}: take one of {', '.join(map(repr, CUTS))}.")


def check_seconds(name: str, seconds: Any) -> None:
    """Accept a finite number greater than 0."""
    if not isinstance(seconds, (int, float)) or not 0 < seconds < math.inf:
        raise UsageError(f"{name} is a number of seconds greater than 0, not {seconds!r}.")

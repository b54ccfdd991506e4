"""What is open in this process: :func:`sio_demo.clean_up` closes what is registered here."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Resource(Protocol):
    """Something that was opened; to close it a second time is harmless."""

    async def close(self) -> None: ...


opened: list[Resource] = []
ports: set[int] = set()  # on which they listen, or did
ports_apart: set[int] = set()  # the same, of what is not registered
_registering = ContextVar("_registering", default=True)


@contextmanager
def apart() -> Iterator[None]:
    """Do not register what is opened within the block: its owner closes it."""
    token = _registering.set(False)
    try:
        yield
    finally:
        _registering.reset(token)


def register(resource: Resource, port: int | None = None) -> None:
    """Add a resource that was opened, and the port on which it listens."""
    registering = _registering.get()
    if registering:
        opened.append(resource)
    if port is not None:  # it may have been another's before
        ports.discard(port)
        ports_apart.discard(port)
        (ports if registering else ports_apart).add(port)


def forget(resource: Resource) -> None:
    if resource in opened:
        opened.remove(resource)

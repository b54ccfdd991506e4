"""Closes what a notebook opened, and shows that nothing is left.

A cell that runs twice overwrites the variable, not the server, link or client behind it:
these live on. So what is open is registered in :mod:`sio_demo.lab.resources` until it is closed.
"""

import asyncio
import gc
import weakref
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

import psutil
import socketio

from .delivery import Outbox
from .errors import LeftoverError, NotSeenError
from .lab import resources
from .lab.bench import shut_down
from .lab.waiting import wait_until

KERNEL_PACKAGES = {"ipykernel", "IPython", "jupyter_client", "tornado", "zmq"}
PATIENCE = 3.0  # seconds that something which is ending may take to end on a busy machine

T = TypeVar("T")


class Leftovers(NamedTuple):
    tasks: list[str]
    sockets: list[str]
    processes: list[str]

    def __str__(self) -> str:
        parts = [f"{len(found)} {kind}" for kind, found in self._asdict().items()]
        return f"left over: {', '.join(parts)}"


_tasks_before: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
_processes_before: set[int] = set()


async def clean_up() -> None:
    """Close what an earlier run of the notebook left open, so that to run it again does no harm.

    That is servers, links, Node clients and outboxes, and every ``socketio.AsyncClient`` in this
    process, also one whose variable was overwritten: its tasks keep it alive.
    """
    for resource in reversed(list(resources.opened)):
        await resource.close()  # the links before the clients: these do not wait for an answer
    await asyncio.gather(*(outbox.close() for outbox in _all_of(Outbox)))
    await asyncio.gather(*map(shut_down, _all_of(socketio.AsyncClient)))
    resources.ports.clear()
    _tasks_before.clear()
    _tasks_before.update(asyncio.all_tasks())
    _processes_before.clear()
    _processes_before.update(_children())


async def nothing_left() -> None:
    """Print that nothing is left since :func:`clean_up`; LeftoverError names what is."""
    with suppress(NotSeenError):
        await wait_until(lambda: not any(leftovers()), PATIENCE)
    found = leftovers()
    if any(found):
        names = [f"\n- {kind}: {each}" for kind, all in found._asdict().items() for each in all]
        raise LeftoverError(
            f"{found}. Close what you opened: `await client.shutdown()`, `await link.close()`, "
            f"`await server.close()`, `await js.close()`.{''.join(names)}"
        )
    print(found)


def leftovers() -> Leftovers:
    """Return what is here now that was not here when :func:`clean_up` returned."""
    return Leftovers(
        [_name(task) for task in asyncio.all_tasks() if _is_ours(task)],
        _sockets(),
        [name for pid, name in _children().items() if pid not in _processes_before],
    )


def _all_of(kind: type[T]) -> list[T]:
    return [o for o in gc.get_objects() if issubclass(type(o), kind)]


def _name(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    return getattr(coroutine, "__qualname__", repr(coroutine))


def _is_ours(task: asyncio.Task[Any]) -> bool:
    if task in _tasks_before or task is asyncio.current_task():
        return False
    frame = getattr(task.get_coro(), "cr_frame", None)
    module = frame.f_globals.get("__name__", "") if frame is not None else ""
    return module.partition(".")[0] not in KERNEL_PACKAGES


def _sockets() -> list[str]:
    connections = psutil.Process().net_connections(kind="tcp")
    found = [(c.status, {end.port for end in (c.laddr, c.raddr) if end}) for c in connections]
    return [
        f"{status} on port {sorted(ports)}"
        for status, ports in found
        if ports & resources.ports and not ports & resources.ports_apart
    ]


def _children() -> dict[int, str]:
    names = {}
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it ends just now
            names[child.pid] = child.name()
    return names

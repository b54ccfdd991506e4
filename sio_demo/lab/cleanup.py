"""Closes what a notebook opened, and shows that nothing is left.

A cell that runs twice overwrites the variable, not the server, link or client behind it:
these live on. So whatever the lab opens is noted here until it is closed.
"""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any, NamedTuple, Protocol

import psutil
import socketio

from ..errors import LeftoverError

KERNEL_PACKAGES = {"ipykernel", "IPython", "jupyter_client", "tornado", "zmq"}
PATIENCE = 3.0  # seconds that something which is ending may take to end


class Resource(Protocol):
    """Something that the lab opened."""

    async def close(self) -> None:
        """Close it; harmless when it is closed already."""


class Leftovers(NamedTuple):
    """What is still there, each with its name."""

    tasks: list[str]
    sockets: list[str]
    processes: list[str]

    def __str__(self) -> str:
        parts = [f"{len(found)} {kind}" for kind, found in self._asdict().items()]
        return f"left over: {', '.join(parts)}"


_open: list[Resource] = []
_ports: set[int] = set()
_tasks_before: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
_processes_before: set[int] = set()


def register(resource: Resource, port: int | None = None) -> None:
    """Note something that was opened, and the port on which it listens."""
    _open.append(resource)
    if port is not None:
        _ports.add(port)


def forget(resource: Resource) -> None:
    """Note that it is closed."""
    if resource in _open:
        _open.remove(resource)


async def clean_up() -> None:
    """Close everything that an earlier run of the notebook left open.

    Every notebook calls it first, so that to run it again does no harm. It closes the
    servers, links and Node clients of the lab and every ``socketio.AsyncClient`` in this
    process, also one whose variable was overwritten: its tasks keep it alive.
    """
    for client in [o for o in gc.get_objects() if isinstance(o, socketio.AsyncClient)]:
        await _shut_down(client)
    for resource in reversed(list(_open)):
        await resource.close()
    _tasks_before.clear()
    _tasks_before.update(asyncio.all_tasks())
    _processes_before.clear()
    _processes_before.update(_children())


async def nothing_left() -> None:
    """Print that no task, socket or process is left since :func:`clean_up`; or raise.

    Every notebook calls it last, when it has closed what it opened.

    Raises
    ------
    LeftoverError
        Something is left; the message names it.
    """
    ending = [task for task in asyncio.all_tasks() if _is_ours(task)]
    if ending:
        await asyncio.wait(ending, timeout=PATIENCE)
    found = leftovers()
    if any(found):
        names = "\n".join(
            f"- {kind}: {name}" for kind, all in found._asdict().items() for name in all
        )
        raise LeftoverError(
            f"{found}. Close what you opened: `await client.shutdown()`, `await link.close()`, "
            f"`await server.close()`, `await js.close()`.\n{names}"
        )
    print(found)


def leftovers() -> Leftovers:
    """Tell what is here now that was not here when :func:`clean_up` returned."""
    tasks = [repr(task.get_coro()) for task in asyncio.all_tasks() if _is_ours(task)]
    return Leftovers(
        tasks,
        _sockets(),
        [name for pid, name in _children().items() if pid not in _processes_before],
    )


async def _shut_down(client: socketio.AsyncClient) -> None:
    try:
        await asyncio.wait_for(client.shutdown(), PATIENCE)
    except TimeoutError:
        await client.eio.disconnect(abort=True)


def _is_ours(task: asyncio.Task[Any]) -> bool:
    if task in _tasks_before or task is asyncio.current_task():
        return False
    frame = getattr(task.get_coro(), "cr_frame", None)
    module = frame.f_globals.get("__name__", "") if frame is not None else ""
    return module.partition(".")[0] not in KERNEL_PACKAGES


def _sockets() -> list[str]:
    connections = psutil.Process().net_connections(kind="tcp")
    ends = [(c.status, {end.port for end in (c.laddr, c.raddr) if end}) for c in connections]
    return [status for status, ports in ends if ports & _ports]


def _children() -> dict[int, str]:
    return {child.pid: child.name() for child in psutil.Process().children(recursive=True)}

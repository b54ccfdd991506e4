"""How each kind of fault strikes.

Each function prepares the fault, lets the clients send on with ``stage.go_on(fault)``, and
returns when the next fault may strike. What lasts longer goes on in a task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..delivery.message import EVENT
from ..errors import NotSeenError, StoreError
from ..lab.faults import Cut
from ..lab.packet import TO_CLIENT, TO_SERVER, Direction
from .schedule import COUNTED, PlannedFault
from .stores import FailPoint

if TYPE_CHECKING:
    from .stage import Stage

CUTS: dict[str, Cut] = {"reset": "reset", "clean close": "close", "half-open": "half-open"}
LOSSES: dict[str, tuple[str, Direction]] = {
    "lost batch": (EVENT, TO_SERVER),
    "lost ack": ("ACK", TO_CLIENT),
    "lost handshake": ("CONNECT", TO_CLIENT),
}

Strike = Callable[[Any, PlannedFault], Coroutine[Any, Any, None]]


def lasting(fault_lasts: Strike) -> Strike:
    """Let the clients send on, and other faults strike, while a fault lasts."""

    async def strike(stage: Stage, fault: PlannedFault) -> None:
        stage.tasks.create_task(fault_lasts(stage, fault))
        stage.go_on(fault)

    return strike


async def cut(stage: Stage, fault: PlannedFault) -> None:
    await stage.link.cut(CUTS[fault.kind])
    stage.go_on(fault)


async def lose(stage: Stage, fault: PlannedFault) -> None:
    """Cut a connection at the next packet of a kind, before it or after it."""
    armed = asyncio.Event()
    losing = stage.tasks.create_task(_lose(stage, fault, armed))
    stage.tasks.create_task(_until_done(stage, fault, losing))
    await armed.wait()
    if fault.kind == "lost handshake":
        await stage.link.cut()
    stage.go_on(fault)


async def _lose(stage: Stage, fault: PlannedFault, armed: asyncio.Event) -> None:
    packet, direction = LOSSES[fault.kind]
    after = fault.point == "after"
    while True:
        async with stage.link.cut_when(packet, direction, after=after) as expectation:
            armed.set()
            with suppress(NotSeenError):  # another fault was faster: take the next
                await expectation
                return


async def _until_done(stage: Stage, fault: PlannedFault, losing: asyncio.Task[None]) -> None:
    """Lose nothing more when a client is done: over polling, it may outlive the reset."""
    await stage.client(fault).says("done")
    losing.cancel()


@lasting
async def black_hole(stage: Stage, fault: PlannedFault) -> None:
    async with stage.link.black_hole(fault.direction):
        await asyncio.sleep(fault.seconds)


@lasting
async def latency(stage: Stage, fault: PlannedFault) -> None:
    """Delay every byte until some more answers have come."""
    async with stage.link.latency(fault.seconds, fault.direction):
        await stage.client(fault).gets_answers(fault.answers)


@lasting
async def refusal(stage: Stage, fault: PlannedFault) -> None:
    """Reset every connection, and refuse new ones for a while."""
    async with stage.refusing, stage.link.refuse():
        await stage.link.cut()
        await asyncio.sleep(fault.seconds)


async def restart(stage: Stage, fault: PlannedFault) -> None:
    stage.go_on(fault)
    await stage.server.stop()
    await stage.start(stage.server)


async def kill(stage: Stage, fault: PlannedFault) -> None:
    """Kill a process with SIGKILL, here and now or at an exact point, and start it again."""
    actor = stage.half(fault)
    if fault.point == "at once":
        await actor.kill()
        stage.go_on(fault)
    else:
        await actor.arm(fault.point or fault.kind, fault.count)
        stage.go_on(fault)
        await actor.dead()
    await stage.start(actor)


@lasting
async def disk_error(stage: Stage, fault: PlannedFault) -> None:
    actor = stage.half(fault)
    actor.tell("disk", fault.point, fault.count)
    await asyncio.sleep(fault.seconds)
    actor.tell("disk", "", 0)


async def restore(stage: Stage, fault: PlannedFault) -> None:
    """Restore a file; an outbox may accept messages before it hears of the inbox."""
    actor = stage.half(fault)
    await actor.kill()
    actor.restore()
    for client in stage.clients if actor is stage.server else ():
        client.may_be_refused({"RestoredError", "UnknownProducerError"}, set())
    stage.go_on(fault)
    if not fault.seconds:
        await stage.start(actor)
        return
    async with stage.refusing, stage.link.refuse():
        await stage.start(actor)
        await asyncio.sleep(fault.seconds)


async def second_outbox(stage: Stage, fault: PlannedFault) -> None:
    """Open the file of an outbox in this process as well, which must be refused."""
    client, said = stage.client(fault), "it was opened"
    await client.says("opened")
    path = str(client.path)
    try:
        client.order["parts"].outbox_store(path, FailPoint(path)).close()
    except StoreError as error:
        said = str(error)
    if "is locked" not in said:
        stage.findings.append(f"not refused: a second process opened the outbox; {said}")
    stage.go_on(fault)


async def forget(stage: Stage, fault: PlannedFault) -> None:
    """Kill a process, and have the inbox forget the producers that have not come back."""
    killed = stage.half(fault)
    await killed.kill()
    if killed is stage.server:
        await stage.start(killed)
    reasons = [
        client.may_be_refused({"UnknownProducerError"}, {*client.journal.sent})
        for client in stage.clients
    ]
    for number in await stage.server.forget(fault.client if fault.half == "client" else 0):
        stage.clients[number - 1].must_not_be_refused(reasons[number - 1])
    stage.go_on(fault)
    if killed is not stage.server:
        await stage.start(killed)


async def handler_error(stage: Stage, fault: PlannedFault) -> None:
    for server in stage.servers:
        server.tell("fail", fault.point or fault.kind, fault.count or 1)
    stage.go_on(fault)


async def missing_handler(stage: Stage, fault: PlannedFault) -> None:
    await stage.server.stop()
    stage.go_on(fault)
    await stage.start(stage.server, handler=False)
    await asyncio.sleep(fault.seconds)
    stage.server.tell("handler")


async def clock_jump(stage: Stage, fault: PlannedFault) -> None:
    """Start a process again, on a machine whose clock has jumped."""
    actor = stage.half(fault)
    await actor.kill()
    actor.order["clock"] = fault.seconds
    stage.go_on(fault)
    await stage.start(actor)


STRIKES: dict[str, Strike] = {
    **dict.fromkeys(CUTS, cut),
    **dict.fromkeys(LOSSES, lose),
    "black hole": black_hole,
    "latency": latency,
    "refusal": refusal,
    "server restart": restart,
    **dict.fromkeys(("server kill", "client kill", *COUNTED), kill),
    "disk error": disk_error,
    **dict.fromkeys(("server restore", "client restore"), restore),
    "second outbox": second_outbox,
    "forget": forget,
    "handler error": handler_error,
    "missing handler": missing_handler,
    "clock jump": clock_jump,
}

"""Opens a panel, and closes the previous one of its kind."""

from __future__ import annotations

from ..errors import UsageError
from .browser_tab import BrowserProgram, library
from .history import PLACES, ListenerPlace
from .panel import Panel
from .program import KernelProgram

WAITING = "Waiting for a browser: this panel runs in the tab that shows it."

_open: dict[str, Panel] = {}  # the latest of each kind


async def python(listener: ListenerPlace = "inside") -> Panel:
    """Open a panel whose client runs in this kernel; display it with ``show()``.

    Parameters
    ----------
    listener : {"inside", "outside"}
        Where the client registers its listener: inside ``connect``, or outside.

    Returns
    -------
    Panel
        Close it at the end. Opening another one closes it too.
    """
    await _make_room("python", listener)
    panel = _open["python"] = Panel(KernelProgram(), listener)
    await panel.serve()
    return panel


async def browser(listener: ListenerPlace = "inside") -> Panel:
    """Open a panel whose client is the real ``socket.io-client``, in the reader's browser tab.

    It works when a browser shows it (``show()``) on the machine of the kernel: its server listens
    on 127.0.0.1, and only pages of this JupyterLab may connect. Elsewhere it shows why it is off.
    Parameters and result are those of :func:`python`.

    Raises
    ------
    NodeMissingError
        ``socket.io-client`` is not installed.
    """
    library()
    await _make_room("browser", listener)
    program = BrowserProgram()
    panel = _open["browser"] = Panel(program, listener, WAITING)
    program.on_page = panel.meet
    return panel


async def _make_room(kind: str, listener: ListenerPlace) -> None:
    if listener not in PLACES:
        raise UsageError(f'The listener is "inside" or "outside" connect, not {listener!r}.')
    if kind in _open:
        await _open[kind].close()

"""An interrupted cell says where it was, and an error of this package shows no library frames."""

import asyncio
import sys
from types import TracebackType
from typing import Any

from ..errors import SioDemoError


def shorten() -> None:
    """Let this notebook show both with the lines of its cells only; without IPython do nothing."""
    ipython = sys.modules.get("IPython")
    if ipython is not None and (shell := ipython.get_ipython()) is not None:
        shell.set_custom_exc((asyncio.CancelledError, SioDemoError), _show)


def _show(
    shell: Any, kind: type[BaseException], error: BaseException, trace: Any, tb_offset: Any = None
) -> list[str]:
    frames = []
    while trace is not None:
        if trace.tb_frame.f_globals is shell.user_ns:
            frames.append(trace)
        trace = trace.tb_next
    kept = None
    for each in reversed(frames):
        kept = TracebackType(kept, each.tb_frame, each.tb_lasti, each.tb_lineno)
    if isinstance(error, asyncio.CancelledError):
        error = KeyboardInterrupt("interrupted while the line at the arrow was waiting")
    error.__cause__ = error.__context__ = None
    lines: list[str] = shell.InteractiveTB.structured_traceback(type(error), error, kept)
    shell._showtraceback(type(error), error, lines)
    return lines

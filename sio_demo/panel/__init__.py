"""A live panel: break a real connection with buttons, and watch the five counters.

:func:`python` runs the client in the kernel; :func:`browser` runs the real ``socket.io-client`` in
the reader's browser tab. The buttons call methods of the panel, which a cell can call too.
"""

from .history import Sent
from .opening import browser, python
from .panel import Panel

__all__ = ["Panel", "Sent", "browser", "python"]

"""A live panel: break a real connection with buttons, and watch the five counters.

:func:`python` runs the client in the kernel, :func:`browser` the real ``socket.io-client`` in the
reader's own browser tab. The buttons call the panel's methods, so a cell can do the same.
"""

from .history import Sent
from .opening import browser, python
from .panel import Panel

__all__ = ["Panel", "Sent", "browser", "python"]

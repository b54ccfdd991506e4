"""The wire you can cut: a real connection, drawn, with buttons that break it.

The buttons call the methods of :class:`Panel`, so a cell can do the same.
"""

from .panel import Panel, wire

__all__ = ["Panel", "wire"]

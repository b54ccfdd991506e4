"""The wire you can cut: a real connection, drawn, with buttons that break it."""

from .panel import Panel, wire

__all__ = ["Panel", "wire"]

"""The rules for Python: python-socketio and Flask-SocketIO."""

from __future__ import annotations

from .handlers import check_python

__all__ = ["check_python"]

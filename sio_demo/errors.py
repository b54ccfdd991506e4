"""Every exception that sio_demo raises, in one tree.

The message of each says what happened and what to do about it.
"""

from __future__ import annotations


class SioDemoError(Exception):
    """Base class of all exceptions raised by ``sio_demo``."""


class UsageError(SioDemoError, ValueError):
    """A public function was called with an argument it cannot work with."""


class ClosedError(SioDemoError):
    """The server, link or client asked to do something is closed already."""


class NotSeenError(SioDemoError, TimeoutError):
    """What the caller waited for did not happen in the time allowed."""


class LeftoverError(SioDemoError):
    """Tasks, sockets or processes are still there after the teardown."""


class NodeError(SioDemoError):
    """Base class of everything that can go wrong with the Node.js client."""


class NodeMissingError(NodeError):
    """Node.js 18 or newer, or the installed ``socket.io-client``, was not found."""


class SnippetError(NodeError):
    """A JavaScript snippet does not parse, or threw; carries the line it is about."""

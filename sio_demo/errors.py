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


class DeliveryError(SioDemoError):
    """Base class of everything that can go wrong between an outbox and an inbox."""


class PayloadError(DeliveryError, ValueError):
    """A payload or a reply is not JSON, or too long for one packet."""


class OutboxFullError(DeliveryError):
    """The outbox holds as many unapplied messages as its limit allows."""


class StoreError(DeliveryError):
    """A store could not read or write: disk full, database locked or corrupt. Worth a retry."""


class HandlerError(DeliveryError):
    """The handler of a message raised; its effects were undone, and that is its reply for good."""


class BatchError(DeliveryError):
    """What arrived at an inbox, or came back from it, does not have the documented format."""


class SequenceError(DeliveryError):
    """Sequence numbers jumped ahead of what the inbox expects, or back to what it has dropped."""


class ConflictError(DeliveryError):
    """A sequence number was used again, for another message."""


class FencedError(DeliveryError):
    """The producer id is in use by an outbox that was opened later: a copied file, or a zombie."""

"""Every exception that ``sio_demo`` raises for its callers, in one tree.

``except SioDemoError`` catches them all. The message of each says what happened, with the values
involved, and what to do about it.
"""


class SioDemoError(Exception):
    """Base class of all exceptions that ``sio_demo`` raises."""


class UsageError(SioDemoError, ValueError):
    """A call is wrong: an argument that cannot be used, or a call at the wrong time.

    The message says what is accepted.
    """


class ClosedError(SioDemoError):
    """The object is closed, or was never opened.

    Create a new one: a closed server, link, client or outbox cannot be opened again.
    """


class NotSeenError(SioDemoError, TimeoutError):
    """What the caller waited for did not happen in time.

    Look at `link.packets` for what happened instead; if it is only slow, pass a longer timeout.
    """


class LeftoverError(SioDemoError):
    """Tasks, sockets or processes are still open after the teardown.

    Close what the message names, or call ``clean_up()``.
    """


class NodeError(SioDemoError):
    """The Node.js process of a `NodeClient` has ended; base class of the two errors below.

    The message quotes what it printed last. Start a new client.
    """


class NodeMissingError(NodeError):
    """Node.js 18 or newer, or ``socket.io-client``, is not installed.

    Run the command in the message.
    """


class EngineMissingError(SioDemoError):
    """There is no PostgreSQL or Valkey here.

    Install the extra ``workers``, or name a server of yours; the message says how.
    """


class SnippetError(NodeError):
    """A JavaScript snippet does not parse, or it threw an exception.

    The message quotes the line; fix the snippet and run it again.
    """


class DeliveryError(SioDemoError):
    """Delivery between an outbox and an inbox failed: base class of the errors below.

    Raised itself when the server does not answer. Check that it has an inbox for the namespace.
    """


class PayloadError(DeliveryError, ValueError):
    """A payload or a reply is not JSON, or is too long for one packet.

    Nothing was sent. Convert the value, or send a reference to it.
    """


class OutboxFullError(DeliveryError):
    """The outbox holds as many messages without a reply as its `limit` allows.

    Await receipts, or `Outbox.drain`, before sending more.
    """


class StoreError(DeliveryError):
    """A store cannot read or write: the disk is full, or the file is locked or corrupt.

    What was begun is rolled back. Remove the cause and try again, as an outbox does by itself.
    """


class UncertainError(StoreError):
    """A store failed in a commit and cannot be read now: whether it has the data is not known.

    The outbox tries until it knows.
    """


class HandlerError(DeliveryError):
    """The inbox's handler raised an exception, which the message quotes.

    Its effects were undone, and the message counts as applied: only `Retry` has it tried again.
    Fix the handler or the payload, then send a new message.
    """


class BatchError(DeliveryError):
    """Data from the other side does not have the documented format.

    Check that an inbox handles the event on the server, and that an outbox sends it.
    """


class Retry(DeliveryError):
    """A message could not be applied yet: raise it in an inbox's handler.

    Its effects are undone, and the outbox sends the message again after a pause, in its place.
    An event that has no handler yet is answered with it too.
    """


class DeadLetterError(HandlerError):
    """A message could not be applied in as many attempts as the inbox allows.

    The inbox keeps it: see `Inbox.dead_letters`, `Inbox.replay` and `Inbox.drop`.
    """


class QuotaError(DeliveryError):
    """A user has as many producers, replies, unanswered or unread packets as the server allows.

    The outbox tries again after a pause: answers that were confirmed make room.
    """


class SequenceError(DeliveryError):
    """Messages are missing between outbox and inbox, so that no more can be applied in order.

    Sending again does not help. Look whether those in `Outbox.unanswered` were applied, and go on
    with `Outbox.reissue`, with or without them.
    """


class GapError(SequenceError):
    """Entries of a feed were trimmed before a follower has read them.

    It went on at the first that is left. Load the rest from elsewhere; have `Feed.trim` keep more.
    """


class ForbiddenError(DeliveryError):
    """A feed's `may_read` does not let this client read a topic.

    Once it may, call `Follower.follow` again.
    """


class UnknownProducerError(SequenceError):
    """The inbox does not know the producer, or issued it to another user.

    It has forgotten the producer, or its store was lost or restored from a backup.
    """


class RestoredError(SequenceError):
    """The inbox or the feed has gone back, behind what it has answered or sent.

    Its store was restored from a backup, or is another one, without what came since. Go on with
    `Outbox.reissue` and `Follower.restart`.
    """


class ConflictError(DeliveryError):
    """A sequence number was used for two different messages.

    The outbox's store is a copy or an old one. `Outbox.reissue` goes on with its messages.
    """


class FencedError(DeliveryError):
    """An outbox with the same producer id was opened later, and has taken over.

    Its file was copied, or an old process still runs. Give each client a store of its own;
    `Outbox.reissue` goes on with the messages in this one.
    """

"""The five counters that tell one cause of duplicates or losses from another."""

from typing import NamedTuple


class Counters(NamedTuple):
    """What one message left behind in five places; each is 1 when all is well.

    A message is one unit of the application's work: an order that was placed once, a line of a
    chat. It is an event on its way to a recipient, a client or a server, for one user.

    Attributes
    ----------
    listeners : int
        Listeners or handlers that the recipient had for the event when the message came; of all
        the user's clients together, if the recipient is a client.
    sids : int
        Sessions of the user that the servers considered live when the message came, including
        those whose client is gone.
    packets : int
        Packets that carried the message to the recipient, including lost ones. Packets in the
        other direction do not count.
    calls : int
        Calls of the recipient's listeners or handlers with the message.
    effects : int
        What the application changed for the message: rows, charges, lines on a screen.
    """

    listeners: int
    sids: int
    packets: int
    calls: int
    effects: int


HEALTHY = Counters(1, 1, 1, 1, 1)

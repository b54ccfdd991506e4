"""The five counters that tell one cause of duplicates or losses from another."""

from typing import NamedTuple


class Counters(NamedTuple):
    """What one message left behind in five places; each is 1 when all is well.

    A message is one unit of the application's work: an order that was placed once, a line of a
    chat. It is an event on its way to a recipient, a client or a server, for one user.
    """

    listeners: int  # for the event when it came: the server's, or those of all the user's clients
    sids: int  # the user's sessions that servers took for live then, with those of gone clients
    packets: int  # that carried it to the recipient, lost ones included; none the other way
    calls: int  # of the recipient's listeners or handlers with it
    effects: int  # what the application changed for it: rows, charges, lines on a screen


HEALTHY = Counters(1, 1, 1, 1, 1)

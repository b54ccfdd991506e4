"""The five counters that tell one cause of duplicates or losses from another."""

from __future__ import annotations

from typing import NamedTuple


class Counters(NamedTuple):
    """What one message left behind in five places. All is well when each is 1.

    They count one message of the application: one order that was placed once, one line of a
    chat. It is an event on its way to a recipient, a client or a server, on behalf of one user.

    Attributes
    ----------
    listeners : int
        Listeners or handlers of its event that the recipient had when it came: all of the
        user's clients together, or those of the server.
    sids : int
        Live sessions that the servers held for the one user when it came, the sessions that
        nobody is behind any more included.
    packets : int
        Packets on the wire that carried it to the recipient, those that were lost on the way
        included, those that went the other way not.
    calls : int
        Calls of the recipient's listeners or handlers with it, all together.
    effects : int
        What the application changed for it: rows, charges, lines on a screen.
    """

    listeners: int
    sids: int
    packets: int
    calls: int
    effects: int


HEALTHY = Counters(1, 1, 1, 1, 1)

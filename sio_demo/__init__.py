"""sio-demo: why a Socket.IO message is handled n times after a reconnect, and the cure.

What a notebook imports is here. The rooms behind it: :mod:`sio_demo.lab` is the bench,
:mod:`sio_demo.plots` draws the figures, :mod:`sio_demo.errors` holds the exceptions.
"""

from .lab.cleanup import clean_up, nothing_left
from .lab.clients import EmitterClient
from .lab.experiment import calls_across_reconnects, reconnect, settled
from .lab.link import Link
from .lab.node import NodeClient
from .lab.packet import TO_CLIENT, TO_SERVER, Packet
from .lab.server import Server, serve

__all__ = [
    "TO_CLIENT",
    "TO_SERVER",
    "EmitterClient",
    "Link",
    "NodeClient",
    "Packet",
    "Server",
    "calls_across_reconnects",
    "clean_up",
    "nothing_left",
    "reconnect",
    "serve",
    "settled",
]

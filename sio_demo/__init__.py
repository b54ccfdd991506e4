"""sio-demo: why a Socket.IO message is handled n times after a reconnect, and the cure.

What most notebooks import is here. The rooms behind it: :mod:`sio_demo.lab` is the bench,
:mod:`sio_demo.delivery` the cure, :mod:`sio_demo.chaos` its trial; :mod:`sio_demo.atlas` has the
causes, :mod:`sio_demo.diagnosis` finds them in running applications, :mod:`sio_demo.check` in
sources; :mod:`sio_demo.exercises` checks the reader's programs, :mod:`sio_demo.panel` is the live
panel; :mod:`sio_demo.plots` draws the figures, and :mod:`sio_demo.errors` holds the exceptions.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cleanup import clean_up, nothing_left
    from .lab.clients import EmitterClient
    from .lab.experiment import call_and_cut, calls_across_reconnects, reconnect, settled
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
    "call_and_cut",
    "calls_across_reconnects",
    "clean_up",
    "nothing_left",
    "reconnect",
    "serve",
    "settled",
]

# A name is imported when it is first asked for (PEP 562): the checker and the observer are
# installed without what the lab needs.
_MODULES = {
    "TO_CLIENT": "lab.packet",
    "TO_SERVER": "lab.packet",
    "EmitterClient": "lab.clients",
    "Link": "lab.link",
    "NodeClient": "lab.node",
    "Packet": "lab.packet",
    "Server": "lab.server",
    "call_and_cut": "lab.experiment",
    "calls_across_reconnects": "lab.experiment",
    "clean_up": "cleanup",
    "nothing_left": "cleanup",
    "reconnect": "lab.experiment",
    "serve": "lab.server",
    "settled": "lab.experiment",
}

if not TYPE_CHECKING:  # a type checker would take any name for one that is here

    def __getattr__(name):
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f".{_MODULES[name]}", __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

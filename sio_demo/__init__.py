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
    "cleanup": "clean_up nothing_left",
    "lab.clients": "EmitterClient",
    "lab.experiment": "call_and_cut calls_across_reconnects reconnect settled",
    "lab.link": "Link",
    "lab.node": "NodeClient",
    "lab.packet": "TO_CLIENT TO_SERVER Packet",
    "lab.server": "Server serve",
}

if not TYPE_CHECKING:  # a type checker would take any name for one that is here

    def __getattr__(name):
        for module, names in _MODULES.items():
            if name in names.split():
                globals()[name] = getattr(import_module(f".{module}", __name__), name)
                return globals()[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

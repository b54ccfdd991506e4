"""A static checker: finds causes of duplicates and losses in source code, without running it.

The texts of the rules are in :mod:`sio_demo.causes`, with their causes. The code of each rule,
below ``javascript/`` and ``python/``:

=============================  ====================================  ===============
rule                           JavaScript                            Python
=============================  ====================================  ===============
listener-in-connect            connect.py                            handlers.py
listener-without-cleanup       left_behind.py, mounts.py             (keeps one only)
client-in-handler              connect.py, left_behind.py            handlers.py
timer-in-connect               timers.py                             tasks.py
shared-emitter-in-connection   server.py                             handlers.py
check-then-await               dedup.py                              dedup.py
id-from-socket-id              ids.py                                handlers.py
handler-in-server-connect      (a socket of its own, it may)         handlers.py
=============================  ====================================  ===============

``javascript/roles.py`` and ``python/module.py`` decide what is a client or a server; ``calls.py``
follows calls within a file, ``javascript/entries.py`` and ``modules.py`` into other files;
``messages.toml`` has what findings say.
"""

from ..causes import RULES, Rule
from .engine import check_paths, check_source
from .model import Finding, Report, Skipped

__all__ = ["RULES", "Finding", "Report", "Rule", "Skipped", "check_paths", "check_source"]

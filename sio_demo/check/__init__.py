"""A static checker: finds causes of duplicates and losses in source code, without running it.

The texts of the rules are in :mod:`sio_demo.causes`, with their causes. The code of each rule:

=============================  ====================================  ===================
rule                           javascript/                           python/rules.py
=============================  ====================================  ===================
listener-in-connect            connections.py                        yes
listener-without-cleanup       left_behind.py, mounts.py             (keeps one only)
client-in-handler              connections.py, left_behind.py        yes
timer-in-connect               connections.py                        yes
shared-emitter-in-connection   connections.py                        yes
check-then-await               messages.py                           yes
id-from-socket-id              messages.py                           yes
handler-in-server-connect      (a socket of its own, it may)         yes
=============================  ====================================  ===================

``javascript/roles.py`` and ``python/module.py`` decide what is a client or a server; ``calls.py``
follows calls within a file, ``javascript/elsewhere.py`` and ``modules.py`` into other files;
``messages.toml`` has what findings say.
"""

from ..causes import RULES, Rule
from .engine import check_paths, check_source
from .model import Finding, Report, Skipped

__all__ = ["RULES", "Finding", "Report", "Rule", "Skipped", "check_paths", "check_source"]

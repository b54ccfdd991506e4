"""A static checker: finds causes of duplicates and losses in source code, without running it.

The texts of the rules are in :mod:`sio_demo.causes`, with their causes; what findings say is in
``messages.toml``. ``python/rules.py`` has all rules for Python. Those for JavaScript are in
``connections.py`` (what handlers of connections leave behind), ``left_behind.py`` (what components
do; ``mounts.py`` knows when they run) and ``messages.py`` (ids, and checks for duplicates).

``javascript/roles.py`` and ``python/module.py`` decide what is a client or a server; ``calls.py``
follows calls within a file, ``javascript/elsewhere.py`` and ``modules.py`` into other files, also
those that only a name leads to. ``engine.py`` knows which components share a client.
"""

from ..causes import RULES, Rule
from .engine import check_paths, check_source
from .model import Finding, Report, Skipped

__all__ = ["RULES", "Finding", "Report", "Rule", "Skipped", "check_paths", "check_source"]

"""The commands of ``sio-demo``, one module each.

Each has a docstring, which is its help, ``add(command)`` for argparse, and ``run(options)``, which
returns the exit code, or a coroutine that does, and imports what it needs: no command waits for the
imports of another.
"""


def count(text: str) -> int:
    """Return a number, 0 or more; argparse turns the ValueError into exit code 2."""
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)

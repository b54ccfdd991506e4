"""The commands of ``sio-demo``, one module each.

Each module has its `HELP`, ``add(command)``, which describes the arguments to argparse, and
``run(options)``, which returns the exit code. A command imports what it needs when it runs, so that
no command waits for the imports of another.
"""


def count(text: str) -> int:
    """Return a number, 0 or more; argparse turns the ValueError into exit code 2."""
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)

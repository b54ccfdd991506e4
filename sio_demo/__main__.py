"""The command line: ``sio-demo demo | atlas | check | chaos``."""

from __future__ import annotations

import argparse
import sys

from .commands import atlas, chaos, check, demo
from .errors import SioDemoError

FAILED = 1  # exit code; argparse exits with 2 when the command was called wrongly
EXTRA = 'pip install "sio-demo[notebooks]"'


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : list of str, optional
        What stands behind ``sio-demo``; if left out, the arguments of this process.

    Returns
    -------
    int
        The exit code of the command: 0, or 1 when it failed.
    """
    parser = argparse.ArgumentParser(
        prog="sio-demo",
        description="Why Socket.IO messages come twice after a reconnect: seen, explained, fixed.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for module in (demo, atlas, check, chaos):
        module.add(commands)
    try:
        options = parser.parse_args(arguments)
        code: int = options.run(options)
    except SioDemoError as error:
        print(f"sio-demo: {error}", file=sys.stderr)
        return FAILED
    except ModuleNotFoundError as error:  # the base install has what `check` needs
        if error.name is None or error.name.startswith(__package__):
            raise
        print(f"sio-demo: this command needs {error.name}. Install it: {EXTRA}", file=sys.stderr)
        return FAILED
    return code


if __name__ == "__main__":
    sys.exit(main())

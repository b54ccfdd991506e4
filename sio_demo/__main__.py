"""The command line: ``sio-demo demo``."""

from __future__ import annotations

import argparse
import asyncio
import sys

from .demo import CLIENTS, measure
from .errors import SioDemoError

FAILED = 1  # exit code; argparse exits with 2 when the command was called wrongly


async def demo(reconnects: int) -> None:
    """Print how often one message is handled, for each client and number of reconnects."""
    rounds = range(reconnects + 1)
    width = max(map(len, CLIENTS))
    print("One message after each reconnect: how often is it handled?\n")
    print(f"{'reconnects so far':{width}}", *(f"{n:3}" for n in rounds))
    for name, client in CLIENTS.items():
        counts = await measure(client, reconnects)
        print(f"{name:{width}}", *(f"{count:3}" for count in counts), flush=True)
    print("\nRegister listeners once, outside connect.")


def count(text: str) -> int:
    """Read a number that is not negative.

    Raises
    ------
    ValueError
        It is none; argparse turns this into a message and exit code 2.
    """
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : list of str, optional
        What stands behind ``sio-demo``; if left out, the arguments of this process.

    Returns
    -------
    int
        The exit code: 0, or 1 when the command failed.
    """
    parser = argparse.ArgumentParser(prog="sio-demo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("demo", help="reproduce the duplicates, and the fix, in seconds")
    command.add_argument(
        "--reconnects", type=count, default=5, help="how often to cut, 0 or more (default: 5)"
    )
    options = parser.parse_args(arguments)
    try:
        asyncio.run(demo(options.reconnects))
    except SioDemoError as error:
        print(f"sio-demo: {error}", file=sys.stderr)
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())

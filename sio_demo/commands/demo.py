"""``sio-demo demo``: reproduce the duplicates, and the fix, in seconds."""

import argparse

from ..errors import NodeMissingError
from . import count


def add(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--reconnects", type=count, default=5, help="how often to cut, 0 or more (default: 5)"
    )


async def run(options: argparse.Namespace) -> int:
    from ..demo import CLIENTS, measure

    rounds = range(options.reconnects + 1)
    width = max(map(len, CLIENTS))
    print("One message after each reconnect: how often is it handled?\n")
    print(f"{'reconnects so far':{width}}", *(f"{n:3}" for n in rounds))
    missing = None
    for name, client in CLIENTS.items():
        try:
            counts = await measure(client, options.reconnects)
        except NodeMissingError as error:
            missing = error
            continue
        print(f"{name:{width}}", *(f"{count:3}" for count in counts), flush=True)
    print("\nRegister listeners once, outside connect.")
    if missing:  # the rows in Python are there
        raise missing
    return 0

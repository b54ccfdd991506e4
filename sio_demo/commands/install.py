"""``sio-demo install``: the JavaScript client, which needs npm and the network, once."""

import argparse
from typing import Any


def add(commands: Any) -> None:
    command = commands.add_parser(
        "install", help="install socket.io-client for Node.js in your cache directory, once"
    )
    command.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    from ..lab import packages

    packages.install()
    print(f"socket.io-client is in {packages.folder()}")
    return 0

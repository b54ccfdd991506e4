"""``sio-demo doctor``: connect to a running server, cut the own connection, and say what shows."""

import argparse
import json

from . import count

UNWELL = 1  # exit code


def add(command: argparse.ArgumentParser) -> None:
    command.add_argument("url", help="as a client has it, such as https://chat.example.com")
    command.add_argument("--event", help="count the copies of this event; of all if left out")
    command.add_argument(
        "--cuts", type=count, default=3, help="how often to cut, 0 or more (default: 3)"
    )
    command.add_argument(
        "--seconds", type=count, default=1, help="to listen on each connection (default: 1)"
    )
    command.add_argument("--auth", type=json.loads, help='JSON, such as \'{"token": "..."}\'')
    command.add_argument("--namespace", default="/", help="the namespace (default: /)")
    command.add_argument("--path", default="socket.io", help="the path (default: socket.io)")


async def run(options: argparse.Namespace) -> int:
    from ..doctor import Target, examine

    target = Target(options.url, options.namespace, options.auth, options.path)
    code = 0
    async for finding in examine(target, options.event, options.cuts, options.seconds):
        print(finding, flush=True)
        code = code if finding.is_well else UNWELL
    return code

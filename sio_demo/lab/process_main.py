"""The program that :mod:`sio_demo.lab.process` starts: runs a source and serves its ``sio``.

It takes one line of JSON on stdin, prints its port as its first line, and dies when stdin ends.
"""

import asyncio
import json
import os
import sys
import threading

from sio_demo.lab.server import serve


def _die_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


async def _serve(source: str, variables: dict[str, object]) -> None:
    namespace = {"__name__": "__main__", **variables}
    exec(compile(source, "<server>", "exec"), namespace)
    server = await serve(namespace["sio"])
    print(server.port)
    await asyncio.Event().wait()


def main() -> None:
    """Serve until killed, or until stdin ends."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_die_with_parent, daemon=True).start()
    asyncio.run(_serve(order["source"], order["variables"]))


if __name__ == "__main__":
    main()

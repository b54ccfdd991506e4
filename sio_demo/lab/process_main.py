"""The program that :mod:`sio_demo.lab.process` starts: runs a source and serves its ``sio``.

It takes one line of JSON on stdin, prints its port as its first line, and dies when stdin ends.
"""

import asyncio
import json
import os
import sys
import threading

from aiohttp import web


def _die_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


async def _serve(source: str, variables: dict[str, object]) -> None:
    namespace = {"__name__": "__main__", **variables}
    exec(compile(source, "<server>", "exec"), namespace)
    app = web.Application()
    namespace["sio"].attach(app)  # type: ignore[attr-defined]
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1])
    await asyncio.Event().wait()


def main() -> None:
    """Serve until killed, or until stdin ends."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_die_with_parent, daemon=True).start()
    asyncio.run(_serve(order["source"], order["variables"]))


if __name__ == "__main__":
    main()

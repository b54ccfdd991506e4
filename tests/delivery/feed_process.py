"""A server that appends numbers to a feed, or a client that follows it: to be killed.

Called with ``server``, ``server-quiet`` (which appends nothing) or ``client``, the file of the
store, and a port.
"""

import asyncio
import sys

import socketio
from aiohttp import web

from sio_demo.delivery import Feed, Follower, SQLiteInboxStore


async def serve(store, port, *, quiet):
    sio = socketio.AsyncServer(async_mode="aiohttp", ping_interval=0.5, ping_timeout=0.5)
    app = web.Application()
    sio.attach(app)
    feed = Feed(sio, store)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
    number = store.connection.execute("SELECT count(*) FROM seen").fetchone()[0]
    while not quiet:
        async with feed.transaction() as db:
            db.execute("INSERT INTO seen VALUES (?)", (number,))
            feed.append(db, "numbers", "number", number)
        number += 1
        await asyncio.sleep(0.002)
    await asyncio.Event().wait()


async def follow(store, port):
    client = socketio.AsyncClient(reconnection_delay=0.02, reconnection_delay_max=0.1)
    follower = Follower(client, store, interval=1.0, retry_delay=0.01)
    follower.on("number", insert)
    await client.connect(f"http://127.0.0.1:{port}", transports=["websocket"], retry=True)
    await follower.follow("numbers")
    await asyncio.Event().wait()


def insert(db, number):
    db.execute("INSERT INTO seen VALUES (?)", (number,))


async def main(role, path, port):
    store = SQLiteInboxStore(path, "CREATE TABLE IF NOT EXISTS seen (number INTEGER)")
    if role == "client":
        await follow(store, int(port))
    else:
        await serve(store, int(port), quiet=role == "server-quiet")


asyncio.run(main(*sys.argv[1:]))

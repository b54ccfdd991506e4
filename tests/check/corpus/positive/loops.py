"""Loops that a connect handler starts, or is."""

import asyncio
import threading
from functools import partial

import socketio as sio_lib
from station import barometer

client = sio_lib.AsyncClient()
plain = sio_lib.Client()


@client.on("connect")
async def connected():
    await report(1)  # expect: timer-in-connect
    client.start_background_task(barometer.run, client)  # expect: timer-in-connect


async def report(number):
    while True:
        await client.emit("report", number)
        await asyncio.sleep(1)


@plain.event
def connect():
    threading.Thread(target=lambda: watch(1), daemon=True).start()  # expect: timer-in-connect
    threading.Thread(target=partial(watch, 2)).start()  # expect: timer-in-connect
    while True:  # expect: timer-in-connect
        plain.emit("alive")
        plain.sleep(5)


def watch(number):
    while True:
        plain.emit("value", number)
        plain.sleep(1)

"""Jobs of a scheduler or a pool, given in `connect`."""

from concurrent.futures import ThreadPoolExecutor

import socketio
from apscheduler.schedulers.background import BackgroundScheduler

sio = socketio.Client()
pool = ThreadPoolExecutor()
scheduler = BackgroundScheduler()


def watch_the_tide():
    while True:
        sio.emit("tide", 1)
        sio.sleep(60)


class Gauge:
    def measure(self):
        while True:
            sio.emit("level", 1)
            sio.sleep(60)


def report():
    sio.emit("report")


@sio.event
def connect():
    gauge = Gauge()
    pool.submit(gauge.measure)  # expect: timer-in-connect
    pool.submit(watch_the_tide)  # expect: timer-in-connect
    scheduler.add_job(report, "interval", minutes=5)  # expect: timer-in-connect

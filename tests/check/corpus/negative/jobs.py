from concurrent.futures import ThreadPoolExecutor

import socketio
from apscheduler.schedulers.background import BackgroundScheduler

sio = socketio.Client()
pool = ThreadPoolExecutor()
scheduler = BackgroundScheduler()


class Gauge:
    def measure(self):
        sio.emit("level", 1)


def report():
    sio.emit("report")


@sio.event
def connect():
    gauge = Gauge()
    pool.submit(gauge.measure)
    pool.submit(report)
    scheduler.add_job(report, "date")
    scheduler.add_job(report, "interval", minutes=5, id="report", replace_existing=True)

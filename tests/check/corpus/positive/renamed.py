# A name that an import changes.
from flask_socketio import SocketIO as Wire

wire = Wire()


def tell():
    while True:
        wire.emit("news")
        wire.sleep(1)


@wire.on("connect")
def joined():
    wire.start_background_task(tell)  # expect: timer-in-connect

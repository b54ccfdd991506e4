from threading import Thread

from flask import Flask
from flask_socketio import SocketIO

app = Flask(__name__)
socketio = SocketIO(app)


@socketio.on("connect")
def connected():
    worker = Thread(target=stream)  # expect: timer-in-connect
    worker.start()
    socketio.on_event("say", print)  # expect: handler-in-server-connect


def stream():
    while True:
        socketio.emit("frame")
        socketio.sleep(0.1)

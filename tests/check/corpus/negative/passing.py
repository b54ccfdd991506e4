# A client that the handler makes for itself, and ends: what it registers there is new each time.
import socketio

sio = socketio.Client()


@sio.event
def connect():
    other = socketio.Client()

    @other.on("answer")
    def answer(data):
        print(data)

    other.on("more", print)
    other.connect("https://example.org")
    other.call("ask")
    other.disconnect()

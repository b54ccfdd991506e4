from .extensions import socketio


@socketio.on("connect")
def joined():
    @socketio.on("answer")  # expect: handler-in-server-connect
    def answer(text):
        print(text)

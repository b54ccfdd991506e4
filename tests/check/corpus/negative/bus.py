"""What is taken back from the bus."""

import socketio


class Rates(socketio.Namespace):
    def on_connect(self, sid, environ):
        self.bus.subscribe("rates", self.told)

    def on_disconnect(self, sid):
        self.bus.unsubscribe("rates")

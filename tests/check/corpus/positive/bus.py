"""A bus outlives the connections that listen to it."""

import socketio


class Rates(socketio.Namespace):
    def on_connect(self, sid, environ):
        self.bus.subscribe("rates", self.told)  # expect: shared-emitter-in-connection

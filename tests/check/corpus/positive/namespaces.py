import socketio


class Feed(socketio.AsyncClientNamespace):
    async def on_connect(self):
        self.client.start_background_task(self.pump)  # expect: timer-in-connect

    async def pump(self):
        while True:
            await self.emit("pump")
            await self.client.sleep(1)


class Bot:
    def __init__(self):
        self.sio = socketio.Client()
        self.sio.on("connect", self.connected)

    def connected(self):
        self.register()

    def register(self):
        self.sio.on("news", handler=self.news)  # expect: listener-in-connect

    def news(self, text):
        print(text)

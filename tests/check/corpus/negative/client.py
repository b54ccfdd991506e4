import asyncio

import socketio

sio = socketio.AsyncClient()
tasks = []
task = None
beat = None


@sio.event
async def connect():
    global task, beat
    await sio.emit("join", "news")
    tasks.append(asyncio.create_task(greet()))
    if task is None:
        task = asyncio.create_task(ticker())
    beat = asyncio.create_task(ticker())


@sio.event
async def disconnect():
    if beat is not None:
        beat.cancel()


@sio.on("news")
async def news(text):
    print(text, f"message {sio.sid} {text}")


async def greet():
    await sio.emit("greet")


async def ticker():
    while True:
        await sio.emit("tick")
        await asyncio.sleep(1)


async def while_connected():
    while sio.connected:
        await sio.call("alive")


sio.on("connect", lambda: print("connected"))
sio.on("later", lambda data: sio.emit("thanks", data))

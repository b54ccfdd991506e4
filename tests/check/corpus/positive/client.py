import asyncio
import threading

import socketio

sio = socketio.AsyncClient()
counter = 0
tasks = []


@sio.event
async def connect():
    @sio.on("news")  # expect: listener-in-connect
    async def news(text):
        print(text)

    sio.on("more", print)  # expect: listener-in-connect
    tasks.append(asyncio.create_task(ticker()))  # expect: timer-in-connect
    threading.Thread(target=poll, daemon=True).start()  # expect: timer-in-connect


@sio.event
async def disconnect():
    other = socketio.AsyncClient()  # expect: client-in-handler
    await other.connect("https://example.org")


async def ticker():
    while True:
        await sio.emit("tick")
        await asyncio.sleep(1)


def poll():
    while True:
        print("poll")


async def send(text):
    global counter
    counter += 1
    message_id = f"{sio.sid}-{counter}"  # expect: id-from-socket-id
    await sio.emit("chat", {"id": message_id, "text": text})


async def say(text):
    message_id = sio.sid + "-" + str(counter)  # expect: id-from-socket-id
    await sio.emit("chat", {"id": message_id, "room_id": sio.sid + "-room", "text": text})


sio.on("connect", lambda: sio.on("later", print))  # expect: listener-in-connect

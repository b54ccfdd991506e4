"""A name that is free, with no work in between."""

import socketio

sio = socketio.AsyncServer()


class Rooms(socketio.AsyncNamespace):
    async def on_room(self, sid, room):
        if await self.redis.exists(f"rooms/{room['id']}"):
            return "taken"
        await self.redis.set(f"rooms/{room['id']}", sid)

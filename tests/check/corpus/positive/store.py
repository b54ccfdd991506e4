"""Redis is asked for the id of the message, and told after the work."""

import socketio

sio = socketio.AsyncServer()


class Refunds(socketio.AsyncNamespace):
    async def on_refund(self, sid, refund):
        if await self.redis.exists(f"refunds/{refund['id']}"):  # expect: check-then-await
            return "known"
        await self.pay_back(refund)
        await self.redis.set(f"refunds/{refund['id']}", 1)

"""A FastAPI application whose SQLAlchemy session and inbox share a transaction."""

import os
from contextlib import asynccontextmanager

import socketio
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from sio_demo.delivery import Inbox, PostgresInboxStore

Session = async_sessionmaker(create_async_engine(os.environ["SHOP_DATABASE"]))


@asynccontextmanager
async def begin():
    async with Session.begin() as session:
        raw = await (await session.connection()).get_raw_connection()
        yield raw.driver_connection, session


sio = socketio.AsyncServer(async_mode="asgi")
inbox = Inbox(sio, PostgresInboxStore(begin))


@inbox.on("order")
async def order(session, number):
    await session.execute(text("INSERT INTO effects VALUES (:number)"), {"number": number})
    found = await session.execute(text("SELECT count(*) FROM effects"))
    return found.scalar_one()


@inbox.on("refuse")
async def refuse(session, number):
    await session.execute(text("INSERT INTO effects VALUES (:number)"), {"number": number})
    raise ValueError("out of stock")


app = FastAPI()
app.mount("/socket.io", socketio.ASGIApp(sio, socketio_path=""))

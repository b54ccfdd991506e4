"""PostgreSQL and Valkey, killed, paused and started again."""

import asyncio

import psycopg
import pytest
import valkey.asyncio
from killable import KillablePostgres, KillableValkey

from sio_demo.errors import UsageError
from sio_demo.lab.engines import POSTGRES_URL, VALKEY_URL


async def test_a_killed_postgres_recovers_what_was_committed(monkeypatch):
    monkeypatch.delenv(POSTGRES_URL, raising=False)
    server = await KillablePostgres.start()
    try:
        async with await psycopg.AsyncConnection.connect(server.url) as db:
            await db.execute("CREATE TABLE kept (number INTEGER)")
            await db.execute("INSERT INTO kept VALUES (1)")
            await db.commit()
            await db.execute("INSERT INTO kept VALUES (2)")
            await server.kill()
            with pytest.raises(psycopg.OperationalError):
                await db.commit()
        await server.restart()
        async with await psycopg.AsyncConnection.connect(server.url) as db:
            rows = await (await db.execute("SELECT number FROM kept")).fetchall()
        assert rows == [(1,)]
    finally:
        await server.close()
        await server.close()


async def test_a_valkey_pauses_and_forgets_when_it_is_killed(monkeypatch):
    monkeypatch.delenv(VALKEY_URL, raising=False)
    server = await KillableValkey.start()
    try:
        async with valkey.asyncio.from_url(server.url) as client:
            await client.set("name", "value")
            server.pause()
            answer = asyncio.ensure_future(client.get("name"))
            done, _ = await asyncio.wait({answer}, timeout=0.1)
            assert not done
            server.resume()
            assert await answer == b"value"
        url = server.url
        await server.kill()
        await server.restart()
        assert server.url == url
        async with valkey.asyncio.from_url(url) as client:
            assert await client.get("name") is None
    finally:
        await server.close()


@pytest.mark.parametrize("kind", [KillablePostgres, KillableValkey])
async def test_one_that_the_environment_names_is_not_killed(monkeypatch, kind):
    monkeypatch.setenv(kind.variable, "somewhere")
    engine = await kind.start()
    with pytest.raises(UsageError, match="not started here"):
        engine.pause()
    await engine.close()

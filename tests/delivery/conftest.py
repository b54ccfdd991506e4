"""An outbox and an inbox with a link in between; each test gets its own."""

import asyncio
import uuid

import pytest
from kit import POSTGRES_TABLES, SCHEMA, DeliveryBench, connected
from psycopg.conninfo import make_conninfo

from sio_demo.delivery import SQLiteInboxStore
from sio_demo.lab import resources
from sio_demo.lab.engines import Postgres


@pytest.fixture
async def quiet():
    """Fail the test if its event loop reports an error, or if it leaves a task behind."""
    loop = asyncio.get_running_loop()
    errors = []
    loop.set_exception_handler(lambda _, context: errors.append(context))
    before = asyncio.all_tasks()
    yield errors
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        await asyncio.wait(left, timeout=10)
    assert [task for task in left if not task.done()] == []
    assert errors == []


@pytest.fixture
async def bench(quiet):
    """A server with an inbox in memory, and a link to it."""
    bench = DeliveryBench()
    await bench.start_server()
    yield bench
    await bench.close()


@pytest.fixture
async def disk(quiet, tmp_path):
    """A server with an inbox on disk, and a link to it."""
    bench = DeliveryBench()
    await bench.start_server(SQLiteInboxStore(tmp_path / "inbox.db", SCHEMA))
    yield bench
    await bench.close()


@pytest.fixture(params=["memory", "disk"])
async def either(request, quiet, tmp_path):
    """A server with an inbox in memory, or on disk, and a link to it."""
    bench = DeliveryBench()
    on_disk = request.param == "disk"
    await bench.start_server(SQLiteInboxStore(tmp_path / "inbox.db") if on_disk else None)
    yield bench
    await bench.close()


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL, or the one that the environment names."""
    with resources.apart():
        engine = asyncio.run(Postgres.start())
    yield engine
    asyncio.run(engine.close())


@pytest.fixture
async def url(postgres):
    """A schema of the test's own."""
    name = f"test_{uuid.uuid4().hex}"
    async with connected(postgres.url) as connection:
        await connection.execute(f"CREATE SCHEMA {name}")
        await connection.execute(f"SET search_path TO {name}; {POSTGRES_TABLES}")
    return make_conninfo(postgres.url, options=f"-c search_path={name}")

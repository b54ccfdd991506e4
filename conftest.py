"""What all tests share: workers, the inputs that Hypothesis chooses, and notebooks run twice.

The whole suite is one run of pytest, notebooks included, so that no worker idles at its end.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import engineio
import hypothesis
import nbval.kernel
import pytest
from kernels import LocalKernelManager
from nbval.plugin import IPyNbFile
from twice import second_run
from xdist.scheduler import LoadScopeScheduling

BROWSER = "tests/browser"

# The scopes that take longest, the longest first: a long one that begins last keeps one worker
# busy while the others have nothing left to do. All others follow in any order.
LONGEST = [
    BROWSER,
    "notebooks/07_",
    "notebooks/04b_",
    "notebooks/06_",
    "notebooks/",
    "tests/notebooks/test_mutations.py",
    "tests/notebooks/test_exercises_",
    "tests/exercises/",
    "tests/chaos/",
    "tests/diagnosis/",
    "tests/atlas/",
    "tests/lab/test_node.py",
]

# The same inputs in each run, on a machine of any speed; "explore" tries others each time.
hypothesis.settings.register_profile("same", deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=2000)
hypothesis.settings.load_profile("same")

nbval.kernel.KernelManager = LocalKernelManager


_reset = engineio.AsyncClient._reset  # internal


async def _reset_own_session(client: engineio.AsyncClient) -> None:
    """Reset a client, but leave it a session that its next connection has opened meanwhile.

    python-engineio awaits the closing of the old one, and forgets the new one then. A client that
    connects again within milliseconds, as in tests, would leave it open.
    """
    session = None if client.external_http else client.http  # internal
    client.http = None if session else client.http
    await _reset(client)
    if session:
        await session.close()


engineio.AsyncClient._reset = _reset_own_session


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--twice",
        action="store_true",
        help="with --nbval: run each notebook a second time in its kernel, exercises solved",
    )


class Scheduling(LoadScopeScheduling):
    """A scope is a file or a class; but the browser tests share one JupyterLab."""

    def _split_scope(self, nodeid: str) -> str:
        return BROWSER if nodeid.startswith(BROWSER) else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    config.option.loadscopereorder = False  # as collected, not by the number of tests
    return Scheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("twice"):
        items[:] = _with_second_runs(items)
    items.sort(key=_rank)


@pytest.fixture(scope="module", autouse=True)
def frozen() -> None:
    """Let no collection in this module walk what is there now, such as thousands of tests.

    Many tests collect garbage, or search all objects for what is left open.
    """
    gc.collect()
    gc.freeze()


def _with_second_runs(items: list[pytest.Item]) -> Iterator[pytest.Item]:
    for file, group in groupby(items, lambda item: item.parent):
        yield from (cells := list(group))
        if isinstance(file, IPyNbFile):
            yield from second_run(file, cells)


def _rank(item: pytest.Item) -> int:
    matches = (at for at, start in enumerate(LONGEST) if item.nodeid.startswith(start))
    return next(matches, len(LONGEST))

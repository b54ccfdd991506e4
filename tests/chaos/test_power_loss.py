"""A power loss at any moment loses nothing that was accepted; without the syncs, it does."""

import logging
import random
from math import inf

import pytest
from power_loss import SECTOR, STRACE, Operation, Recording, record, violations

strace = pytest.mark.skipif(STRACE is None, reason="strace (of Linux) is not installed")
OLD, NEW = b"o" * 4 * SECTOR, b"n" * 4 * SECTOR


@pytest.fixture(autouse=True)
def _silent(monkeypatch):
    """Refusals are expected, and counted."""
    monkeypatch.setattr(logging.getLogger("sio_demo.delivery"), "disabled", True)


async def caught(*arguments):
    """Return whether there is a violation."""
    async for _ in violations(*arguments):
        return True
    return False


@strace
async def test_a_power_loss_loses_doubles_and_reorders_nothing(quiet, tmp_path):
    recording = record(tmp_path / "run")
    assert len(recording.promises) > 100
    assert [found async for found in violations(recording, tmp_path, range(40))] == []
    mistake = recording.without_directories()
    assert await caught(mistake, tmp_path, range(100, 200), ["outbox"])


@strace
async def test_a_store_that_does_not_sync_each_commit_is_caught(quiet, tmp_path):
    recording = record(tmp_path / "run", "synchronous=NORMAL")
    for machine in "outbox", "inbox":
        assert await caught(recording, tmp_path, range(100), [machine])


def disk(operations, at=5, failing=("a.db",)):
    """Return the files after a power loss, each combination that a hundred seeds have found."""
    recording = Recording(operations)
    return [recording.image(at, failing, random.Random(seed)) for seed in range(100)]


def written(data, durable):
    return Operation(2, 3, "write", "a.db", 1, 0, data, durable)


def test_what_was_not_synced_may_be_missing_or_torn():
    created = Operation(0, 0, "create", "a.db", 1, durable=1)
    found = {image["a.db"] for image in disk([created, written(OLD, 4), written(NEW, inf)])}
    assert {OLD, NEW} < found
    assert {len(set(content[i : i + SECTOR])) for content in found for i in (0, SECTOR)} == {1}
    assert disk([created, written(OLD, 4)]) == [{"a.db": OLD}] * 100


def test_a_new_name_may_be_missing_until_the_directory_is_synced():
    created = Operation(0, 0, "create", "a.db", 1)
    found = disk([created, written(OLD, 4)])
    assert {} in found
    assert {"a.db": OLD} in found
    assert {} not in disk([created, written(OLD, 4)], failing=("b.db",))


def test_what_was_not_begun_is_not_there():
    assert (
        disk([Operation(0, 0, "create", "a.db", 1, durable=1), written(OLD, 4)], at=2)
        == [{"a.db": b""}] * 100
    )

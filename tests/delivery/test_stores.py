"""The stores by themselves."""

import pytest

from sio_demo.delivery import MemoryInboxStore
from sio_demo.errors import UsageError


@pytest.mark.parametrize(
    "change",
    [
        lambda db: db.update(rooms=2),
        lambda db: db.setdefault("rooms", 2),
        lambda db: db.popitem(),
        lambda db: db.clear(),
    ],
    ids=["update", "setdefault", "popitem", "clear"],
)
def test_the_memory_store_refuses_changes_that_it_cannot_undo(change):
    db = MemoryInboxStore().db
    db["rooms"] = 1
    with pytest.raises(UsageError, match="can undo"):
        change(db)
    assert db == {"rooms": 1}

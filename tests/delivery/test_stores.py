"""The stores by themselves."""

import errno
import fcntl
import os

import pytest

from sio_demo.delivery import MemoryInboxStore, SQLiteInboxStore, SQLiteOutboxStore
from sio_demo.delivery.inbox_state import Progress, StoredReply
from sio_demo.delivery.stores import Letter
from sio_demo.errors import StoreError, UsageError

PROGRESS = Progress("me", 2, "start", "c", 1, 3, 4)
REPLIES = [StoredReply(name, f"re {name}") for name in "abc"]


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


@pytest.fixture(params=["memory", "disk"])
def inbox(request, tmp_path):
    store = SQLiteInboxStore(tmp_path / "in.db") if request.param == "disk" else MemoryInboxStore()
    yield store
    store.close()


def saved(store, producer, progress, first, replies):
    store.begin()
    store.save(producer, progress, first, replies)
    store.commit()


def test_an_inbox_store_keeps_progress_and_the_replies_from_its_floor_on(inbox):
    assert inbox.progress("p") is None
    saved(inbox, "p", PROGRESS._replace(floor=0), 0, REPLIES)
    assert inbox.kept("p", 0, 3, 1000) == REPLIES
    saved(inbox, "p", PROGRESS, 3, [])
    assert inbox.progress("p") == PROGRESS
    assert inbox.kept("p", 0, 3, 1000) == REPLIES[1:]
    assert inbox.kept("p", 1, 2, 1) == REPLIES[1:2]  # at least one
    assert inbox.kept("q", 0, 3, 1000) == []


def test_an_inbox_store_counts_the_producers_of_each_user(inbox):
    for producer, user in [("p", "me"), ("q", "me"), ("r", None)]:
        saved(inbox, producer, PROGRESS._replace(user=user), 0, [])
        saved(inbox, producer, PROGRESS._replace(user=user), 0, [])
    assert [inbox.owned(user, 9) for user in ("me", None, "you")] == [2, 1, 0]
    assert inbox.owned("me", 1) == 1


def test_an_inbox_store_forgets_all_about_a_producer_unless_it_is_kept(inbox):
    for producer in "pq":
        saved(inbox, producer, PROGRESS, 1, REPLIES[1:])
    assert inbox.forget(60, []) == 0
    assert inbox.forget(0, ["q"]) == 1
    assert (inbox.progress("p"), inbox.kept("p", 1, 2, 1000)) == (None, [])
    assert inbox.progress("q") == PROGRESS
    assert inbox.owned("me", 9) == 1


def test_an_inbox_store_puts_messages_aside(inbox):
    letters = [Letter("p", number, None, "text", "why") for number in range(3)]
    inbox.begin()
    for letter in letters:
        inbox.put_aside("dead", letter)
    assert inbox.take_out("dead", letters[1])
    assert not inbox.take_out("dead", letters[1])
    inbox.commit()
    inbox.begin()
    assert inbox.take_out("dead", letters[0])
    inbox.rollback()  # oldest first, as before
    assert inbox.aside("dead") == [letters[0], letters[2]]
    assert inbox.aside("after") == []


@pytest.mark.parametrize("store", [SQLiteInboxStore, SQLiteOutboxStore])
def test_a_schema_that_is_no_text_for_sqlite_is_named_and_the_file_can_be_opened(tmp_path, store):
    error = None
    try:
        store(tmp_path / "s.db", "CREATE TABLE IF NOT EXISTS mine (x);\0")
    except Exception as raised:
        error = raised
    assert isinstance(error, StoreError)
    store(tmp_path / "s.db").close()


def test_an_outbox_store_counts_its_starts_and_knows_what_it_has_told_whom(tmp_path):
    path = tmp_path / "out.db"

    def reopened():
        store.close()
        return SQLiteOutboxStore(path)

    store = SQLiteOutboxStore(path)
    first = store.load()
    assert (first.identity.known, first.identity.epoch) == (False, 1)
    assert first[1:] == (0, "", [])
    store.save(0, 0, ["m0", "m1", "m2"], "")
    store.known()
    store.save(2, 3, ["m3"], "id of m1")
    store = reopened()
    second = store.load()
    assert second.identity.producer == first.identity.producer
    assert (second.identity.known, second.identity.epoch) == (True, 2)
    assert second[1:] == (2, "id of m1", ["m2", "m3"])
    other = store.restart(["m3"])
    assert other.producer != first.identity.producer
    assert (other.known, other.epoch) == (False, 1)
    store = reopened()
    third = store.load()
    assert (third.identity.producer, third.identity.epoch) == (other.producer, 2)
    assert third[1:] == (0, "", ["m3"])
    with pytest.raises(StoreError, match="another outbox uses it"):
        SQLiteOutboxStore(path)
    store.close()


@pytest.mark.parametrize("kind", [SQLiteOutboxStore, SQLiteInboxStore])
def test_a_file_with_another_name_is_refused(tmp_path, kind):
    """Each name would have a log and a lock of its own."""
    store = kind(tmp_path / "one.db")
    os.link(tmp_path / "one.db", tmp_path / "two.db")
    with pytest.raises(StoreError, match="hard link"):
        kind(tmp_path / "two.db")
    os.unlink(tmp_path / "two.db")
    store.close()
    kind(tmp_path / "one.db").close()


@pytest.mark.parametrize("fate", ["deleted", "moved"])
def test_an_outbox_whose_lock_is_gone_writes_no_more(tmp_path, fate):
    path, lock = tmp_path / "outbox.db", tmp_path / "outbox.db.lock"
    store = SQLiteOutboxStore(path)
    lock.unlink() if fate == "deleted" else lock.rename(tmp_path / "elsewhere")
    other = SQLiteOutboxStore(path)
    with pytest.raises(StoreError, match="another outbox may be open"):
        store.save(0, 0, ['["id","note",1]'], "")
    other.save(0, 0, ['["id","note",2]'], "")
    store.close()
    assert other.load().texts == ['["id","note",2]']
    other.close()


def test_a_directory_that_has_no_locks_is_named(tmp_path, monkeypatch):
    def flock(_file, _operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(StoreError, match="No locks available"):
        SQLiteOutboxStore(tmp_path / "outbox.db")

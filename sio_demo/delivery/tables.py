"""What the two databases of an inbox have in common: statements, and the causes of an error."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .inbox_state import StoredReply
from .stores import Entry, Letter, Log, fitting

Read = Callable[[Any], Any] | None  # what is made of the rows of a statement


class Tables:
    """The statements that databases have in common, with ``?`` for each parameter.

    `_run` runs one, and returns what `read` makes of its rows, or an awaitable of that.
    """

    _run: Callable[..., Any]

    def kept(self, producer: str, first: int, count: int, size: int) -> Any:
        return self._run(
            "SELECT id, reply FROM inbox_replies WHERE producer = ? "
            "AND sequence >= ? AND sequence < ? ORDER BY sequence",
            (producer, first, first + count),
            lambda rows: fitting(map(StoredReply._make, rows), size),
        )

    def put_aside(self, box: str, letter: Letter) -> Any:
        return self._run(
            'INSERT INTO inbox_aside (box, producer, sequence, "user", text, error) '
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (box, producer, sequence, substr(text, 1, 99)) "
            "DO UPDATE SET text = excluded.text, error = excluded.error",
            (box, *letter),
        )

    def aside(self, box: str) -> Any:
        return self._run(
            'SELECT producer, sequence, "user", text, error FROM inbox_aside WHERE box = ? '
            "ORDER BY number",
            (box,),
            lambda rows: list(map(Letter._make, rows)),
        )

    def take_out(self, box: str, letter: Letter) -> Any:
        return self._run(
            "DELETE FROM inbox_aside WHERE box = ? AND producer = ? AND sequence = ? AND text = ? "
            "RETURNING 1",
            (box, letter.producer, letter.sequence, letter.text),
            list,
        )

    def log(self, topic: str) -> Any:
        return self._run(
            "SELECT log, next FROM feed_topics WHERE topic = ?",
            (topic,),
            lambda rows: first_of(map(Log._make, rows)),
        )

    def entries(self, topic: str, first: int, count: int, size: int) -> Any:
        return self._run(
            "SELECT number, text FROM feed_entries WHERE topic = ? AND number >= ? "
            "ORDER BY number LIMIT ?",
            (topic, first, count),
            lambda rows: fitting(map(Entry._make, rows), size),
        )

    def trim(self, topic: str, first: int) -> Any:
        return self._run("DELETE FROM feed_entries WHERE topic = ? AND number < ?", (topic, first))


def first_of(rows: Iterable[Any]) -> Any:
    return next(iter(rows), None)


_LINKS: Any = BaseException.__cause__, BaseException.__context__


def causes(error: Any) -> Iterator[Any]:
    """Iterate over an error, its causes, and those in a group; `raise e from e` makes a cycle."""
    seen: set[int] = set()
    todo = [error]
    while todo:
        if (error := todo.pop()) is not None and id(error) not in seen:
            seen.add(id(error))
            yield error
            cause, context = (one.__get__(error) for one in _LINKS)  # whatever its class says
            todo.append(context if cause is None else cause)
            todo += error.exceptions if issubclass(type(error), BaseExceptionGroup) else ()

"""What the figures accept: counts, with a label for each list of them."""

from collections.abc import Mapping, Sequence

from ..errors import UsageError

Counts = Mapping[str, Sequence[int]]


def table(data: object, most: int) -> dict[str, list[int]]:
    """Return a mapping from labels to counts, checked: not too many, and all of one length."""
    if not isinstance(data, Mapping) or not data:
        raise UsageError('Pass a dict with a list of counts for each label: {"naive": [1, 2, 3]}.')
    if len(data) > most:
        raise UsageError(
            f"{len(data)} labels do not fit: draw at most {most}, or make two figures."
        )
    for label in data:
        if not isinstance(label, str) or not label.strip():
            raise UsageError(f"{label!r} is not a label: name each list of counts with a text.")
    checked = {label: counts(label, values) for label, values in data.items()}
    lengths = {label: len(values) for label, values in checked.items()}
    if len(set(lengths.values())) > 1:
        raise UsageError(f"Every label needs as many counts as the others, not {lengths}.")
    return checked


def counts(owner: str, values: object) -> list[int]:
    """Return the values as a list, checked: whole numbers, none of them negative."""
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise UsageError(
            f"{owner!r}: pass a list of whole numbers such as [1, 2, 3], not {values!r}."
        )
    if not values:
        raise UsageError(f"{owner!r} has no values: pass one count for each message.")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int):
            raise UsageError(f"{owner!r}: {value!r} is not a count: pass whole numbers.")
        if value < 0:
            raise UsageError(f"{owner!r}: {value} is negative: a handler runs 0 times or more.")
    return list(values)

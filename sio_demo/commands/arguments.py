"""The types of arguments that commands share."""

from __future__ import annotations


def count(text: str) -> int:
    """Read a number that is not negative.

    Raises
    ------
    ValueError
        It is none; argparse turns this into a message and exit code 2.
    """
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)

"""Argument types that commands share."""


def count(text: str) -> int:
    """Return a number, 0 or more; argparse turns the ValueError into exit code 2."""
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)

"""What the hints of exercises 1 to 3 share: listeners of the JavaScript client that pile up."""

from __future__ import annotations

EVERY_ONE_REMOVED = (
    "Another part of the page listens to the same event, and hears nothing any more. `off` without "
    "a function removes every listener, also those of others."
)


def more(before: int, now: int) -> int:
    """Tell how many listeners have come to stay: one may come and go with each connection."""
    return max(now - before, 0)


def hidden(listeners: int) -> str:
    """Say that what is seen is right, and that what is behind it piles up."""
    return (
        f"Handled once, but by now {listeners} listeners are there: a condition hides it, and each "
        "of them still runs. Where would one be registered once?"
    )


def not_piled_up(thing: str, times: int) -> str:
    """Say that something is handled more than once, and not for a listener too many."""
    return (
        f"{thing} is handled up to {times} times, though no listener has piled up. What does the "
        "work twice?"
    )


def not_given(function: str, what: str, got: list[str]) -> str:
    """Say with what the reader's program has called a function of the page's."""
    return f"Once each; but `{function}` was not given {what}: it got {', '.join(got[:1])}."

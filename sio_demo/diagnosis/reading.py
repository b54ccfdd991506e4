"""What the five counters of a message mean: which is the odd one, and of which pattern that is."""

from __future__ import annotations

from ..causes import Pattern
from .factors import explanations
from .seen import Recipient, Seen

RECIPIENTS: tuple[Recipient, Recipient] = ("client", "server")


def read(seen: Seen) -> tuple[dict[Pattern, int], list[str]]:
    """Read the counters.

    Returns
    -------
    dict of str to int
        The patterns that they show, each with its number: how many there are of what should be
        1, or 0 for a loss.
    list of str
        The meaning in words.
    """
    if _contradicts_itself(seen):
        return {}, ["These counters contradict each other: count all five for one message."]
    lost = _lost(seen)
    found, findings = ({lost[0]: 0}, [lost[1]]) if lost else _multiplied(seen)
    if seen.clues.failed:
        findings.append("Its handler raised an exception, or does not take its arguments.")
    if found and seen.effects == 1:
        findings.append("Its effect is there once all the same.")
    return found, findings


def _contradicts_itself(seen: Seen) -> bool:
    nothing_came = seen.sids == 0 or seen.packets == 0
    return bool((nothing_came or seen.listeners == 0) and seen.calls) or bool(
        seen.sids == 0 and seen.packets
    )


def _lost(seen: Seen) -> tuple[Pattern, str] | None:
    """Return where a message was lost: the first of its counters that is 0."""
    if seen.effects:
        return None
    if seen.sids == 0:
        return "not connected", "No live session: no client was connected when it was to be sent."
    if seen.listeners == 0 and seen.packets == 0:
        return "nobody waits", "No listener and no packet: no callback waited for it any more."
    if seen.listeners == 0:
        return "nobody listens", "No listener: the recipient had none for it when it came."
    if seen.packets == 0:
        return "not sent", "A session, a listener, and no packet: it was not sent to this session."
    if seen.calls == 0 and seen.clues.arrived:
        return "lost", "It arrived, and no handler ran for it."
    if seen.calls == 0:
        return "lost", "Sent, and not handled: its packet was lost on the way."
    if seen.effects == 0:
        return "in vain", "Handled, and no effect is there."
    return None


_FINDINGS = {
    "listeners": "One packet meets {n} listeners: each of them is called.",
    "clients": "{n} clients of the user are there at the same time, and each does the same.",
    "sessions": "One client has {n} live sessions, and each of them gets the message.",
    "zombies": "Live sids without a client: {n}.",
    "copies": "The message was sent {n} times.",
    "runs": "One packet led to {n} calls of each listener.",
    "effects": "Each call has {n} effects, or something else brings about the same effect.",
    "lost": "Packets that were lost on the way: {n}.",
}


def _multiplied(seen: Seen) -> tuple[dict[Pattern, int], list[str]]:
    """Return the factors that are not 1."""
    if all(count in (None, 1) for count in seen.counters):
        counted = any(seen.counters)
        return {}, ["All that was counted is 1: handled once." if counted else "Nothing counted."]
    recipient = seen.clues.recipient
    asked = RECIPIENTS if recipient is None else (recipient,)
    stories = [factors for each in asked for factors in explanations(seen, each)]
    fewest = min((len(story.odd()) for story in stories), default=0)
    found: dict[Pattern, int] = {}
    findings: list[str] = []
    for story in dict.fromkeys(s for s in stories if len(s.odd()) == fewest):
        found |= story.odd()  # type: ignore[arg-type]
        text = " ".join(_FINDINGS[name].format(n=n) for name, n in story.odd().items())
        findings.append(text if not findings else f"Or: {text}")
    if not stories:
        found = _first_odd(seen)
        findings = ["No simple story gives these counters. Were all counted for one message?"]
    return found, findings


def _first_odd(seen: Seen) -> dict[Pattern, int]:
    patterns: tuple[tuple[Pattern, ...], ...] = (
        ("listeners", "clients"),
        ("clients", "sessions", "zombies"),
        ("copies",),
        ("runs",),
        ("effects",),
    )
    for names, count in zip(patterns, seen.counters, strict=True):
        if count is not None and count > 1:
            return dict.fromkeys(names, count)
    return {}

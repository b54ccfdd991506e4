"""From counters to causes: what explains them, what is ruled out, and what to measure next."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from textwrap import fill
from typing import Any

from .. import atlas
from .factors import explanations
from .seen import Recipient, Seen
from .signatures import QUESTIONS, SIGNATURES, Family, Signature

RECIPIENTS: tuple[Recipient, Recipient] = ("client", "server")
NOTEBOOK = "09_atlas_of_causes.ipynb"
WIDTH = 96  # characters of a printed line


@dataclass(frozen=True)
class Suspect:
    """A cause, and how it agrees with what was seen.

    Attributes
    ----------
    cause : Cause
        Its entry in the atlas.
    fits : tuple of str
        What speaks for it.
    against : tuple of str
        What would have to hold, and does not.
    open : dict of str to str
        What would have to hold and is not known, by clue.
    look : str
        What would prove it.
    """

    cause: atlas.Cause
    fits: tuple[str, ...]
    against: tuple[str, ...]
    open: dict[str, str]
    look: str

    @property
    def section(self) -> str:
        """Where the atlas tells of it: the notebook, and the heading in it."""
        heading = f"{self.cause.letter} {self.cause.title}".replace(" ", "-")
        return f"{NOTEBOOK}#{heading}"


@dataclass(frozen=True)
class Diagnosis:
    """What the counters of one message say.

    Attributes
    ----------
    seen : Seen
        What it is about.
    findings : tuple of str
        What the counters mean, in words.
    suspects : tuple of Suspect
        The causes that agree with everything that is known, those with the most for them first.
    ruled_out : tuple of Suspect
        Causes of the same counters that a clue speaks against.
    next : tuple of str
        What to measure or to look at, to tell the suspects apart.
    """

    seen: Seen
    findings: tuple[str, ...]
    suspects: tuple[Suspect, ...]
    ruled_out: tuple[Suspect, ...]
    next: tuple[str, ...]

    @property
    def letters(self) -> tuple[str, ...]:
        """The letters of the suspects."""
        return tuple(suspect.cause.letter for suspect in self.suspects)

    def __str__(self) -> str:
        lines = [_wrapped("", finding) for finding in self.findings]
        for suspect in self.suspects:
            lines.append(f"\n{suspect.cause.letter}  {suspect.cause.title}")
            if suspect.fits:
                lines.append(_wrapped("    fits:  ", "; ".join(suspect.fits)))
            lines.append(_wrapped("    proof: ", suspect.look))
            lines.append(_wrapped("    fix:   ", suspect.cause.fix))
        if self.ruled_out:
            lines.append("\nRuled out:")
            lines += [f"    {s.cause.letter}: only if {s.against[0]}" for s in self.ruled_out]
        if self.next:
            lines.append("\nTo tell more:" if self.suspects else "\nI cannot tell. Next:")
            lines += [_wrapped("    ", step) for step in self.next]
        return "\n".join(lines)


def _wrapped(label: str, text: str) -> str:
    return fill(
        text,
        WIDTH,
        initial_indent=label,
        subsequent_indent=" " * len(label),
        break_long_words=False,
        break_on_hyphens=False,
    )


def diagnose(*seen: Any, **clues: Any) -> Diagnosis:
    """Name the likely causes of what one message left behind.

    Parameters
    ----------
    *seen : Counters, Seen or str
        The five counters, such as ``Counters(4, 1, 1, 4, 4)``; or what ``seen.message(event)``
        gave; or the JSON of it that the JavaScript snippet printed. Several of them are taken
        for one message that was seen in several places, such as at both its ends.
    **clues
        What else is known: the attributes of :class:`Clues`.

    Returns
    -------
    Diagnosis
        Print it.

    Raises
    ------
    UsageError
        An argument is of another kind, or there is no such clue.
    """
    if not seen:
        seen = ((None,) * 5,)
    message = Seen.together(map(Seen.of, seen)).with_clues(**clues)
    lost = _lost(message)
    if lost is not None:
        family, finding = lost
        found, findings = {family: 0}, [finding]
    else:
        found, findings = _odd(message)
    if not found:
        return Diagnosis(message, tuple(findings), (), (), tuple(_uncounted(message)))
    judged = _judge_all(message, found)
    suspects = [suspect for suspect in judged if not suspect.against]
    suspects.sort(key=lambda suspect: -len(suspect.fits))
    return Diagnosis(
        message,
        tuple(findings),
        tuple(suspects),
        tuple(suspect for suspect in judged if suspect.against),
        tuple(_next(message, suspects)),
    )


def _lost(seen: Seen) -> tuple[Family, str] | None:
    """Say where a message was lost: the first of its counters that is 0."""
    if seen.sids == 0:
        return "not connected", "No live session: nobody was connected when it was to be sent."
    if seen.listeners == 0 and seen.packets == 0:
        return "nobody waits", "No listener and no packet: nobody waited for it any more."
    if seen.listeners == 0:
        return "nobody listens", "No listener: the recipient had none for it when it came."
    if seen.packets == 0:
        return "not sent", "A session, a listener, and no packet: it was not sent to this session."
    if seen.calls == 0:
        return "lost", "Sent, and not handled: the packet was lost on its way."
    if seen.effects == 0:
        return "in vain", "Handled, and no effect is there."
    return None


_FINDINGS = {
    "listeners": "One packet meets {n} listeners: each calls its own.",
    "clients": "The user has {n} clients at the same time, and each of them does the same.",
    "sessions": "One client has {n} live sessions, and each of them gets the message.",
    "zombies": "{n} of the live sids belongs to a connection that nobody is behind any more.",
    "copies": "The message was sent {n} times.",
    "runs": "The library called the handler {n} times for one packet.",
    "effects": "Each call has {n} effects, or something else brings about the same effect.",
    "lost": "{n} of its packets was lost on the way.",
}


def _odd(seen: Seen) -> tuple[dict[Family, int], list[str]]:
    """Give the factors that are not 1, each with its number, and what they mean."""
    recipient = seen.clues.recipient
    asked = RECIPIENTS if recipient is None else (recipient,)
    stories = [factors for each in asked for factors in explanations(seen, each)]
    fewest = min((len(story.odd()) for story in stories), default=0)
    found: dict[Family, int] = {}
    findings: list[str] = []
    for story in dict.fromkeys(s for s in stories if len(s.odd()) == fewest):
        found |= story.odd()  # type: ignore[arg-type]
        text = " ".join(_FINDINGS[name].format(n=n) for name, n in story.odd().items())
        findings.append(text if not findings else f"Or: {text}")
    if not stories:
        found = _first_odd(seen)
        findings = ["No simple story gives these counters. Were all counted for one message?"]
    if not found:
        return found, ["All that was counted is 1: this message was handled once."]
    if seen.effects == 1:
        findings.append("Its effect is there once all the same.")
    return found, findings


def _first_odd(seen: Seen) -> dict[Family, int]:
    families: tuple[tuple[Family, ...], ...] = (
        ("listeners", "clients"),
        ("clients", "sessions", "zombies"),
        ("copies",),
        ("runs",),
        ("effects",),
    )
    for names, count in zip(families, seen.counters, strict=True):
        if count is not None and count > 1:
            return dict.fromkeys(names, count)
    return {}


def _judge_all(seen: Seen, found: dict[Family, int]) -> list[Suspect]:
    """Judge each cause of these families, by that signature of it which fits best."""
    best: dict[str, Suspect] = {}
    for signature in SIGNATURES:
        if signature.family in found:
            suspect = _judge(signature, seen, found[signature.family])
            other = best.setdefault(signature.letter, suspect)
            if (not suspect.against, len(suspect.fits)) > (not other.against, len(other.fits)):
                best[signature.letter] = suspect
    return list(best.values())


def _judge(signature: Signature, seen: Seen, number: int) -> Suspect:
    fits, against, unknown = list[str](), list[str](), dict[str, str]()
    for need in signature.needs:
        value = getattr(seen.clues, need.clue)
        if value is None:
            unknown[need.clue] = need.words
        elif need.holds(value, number):
            fits.append(need.words)
        else:
            against.append(need.words)
    return Suspect(
        atlas.cause(signature.letter),
        tuple(fits),
        tuple(against),
        unknown,
        signature.look,
    )


_COUNTING = {
    "listeners": "Count the listeners: observe(client), or observe(socket) in JavaScript.",
    "sids": "Count the live sids of the user: observe(sio) on the server.",
    "packets": "Count the packets: observe(client) or observe(sio).",
    "calls": "Count the calls: observe(client), or observe(sio) if the server handles it.",
    "effects": "Count the effects: call seen.effect(event, data) where the program has one.",
}


def _uncounted(seen: Seen) -> list[str]:
    return [
        how for how, count in zip(_COUNTING.values(), seen.counters, strict=True) if count is None
    ]


def _next(seen: Seen, suspects: list[Suspect]) -> list[str]:
    """Say what would tell the suspects apart: the question that leaves the fewest of them."""
    steps = _uncounted(seen)
    if not suspects:
        return [
            *steps,
            "No cause of the atlas fits: look once more at the clues that speak "
            "against each. Or it is a cause that the atlas does not have yet.",
        ]
    if len(suspects) == 1:
        return steps
    left: dict[str, int] = {}
    for clue in QUESTIONS:
        answers = Counter(suspect.open.get(clue) for suspect in suspects)
        if len(answers) > 1:
            left[clue] = max(count + answers[None] for words, count in answers.items() if words)
    best = sorted(left, key=lambda clue: left[clue])[:2]
    steps += [f"{QUESTIONS[clue]} Then diagnose(..., {clue}=...)." for clue in best]
    return steps or ["These leave the same counters and clues: only the proof tells them apart."]

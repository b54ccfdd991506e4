"""From counters to causes: which fit, which are ruled out, and what to measure next."""

from collections import Counter
from dataclasses import dataclass
from textwrap import fill
from typing import Any

from ..causes import BY_THEME, COUNTING, QUESTIONS, TOLD_BY, Cause, Signature
from .reading import of_one_client, read
from .seen import Seen

WIDTH = 96  # characters of a printed line
FEW = 3  # suspects that one can look at


@dataclass(frozen=True)
class Suspect:
    """A cause, and how well it agrees with what was seen."""

    cause: Cause
    fits: tuple[str, ...]  # observations that speak for it
    doubts: tuple[str, ...]  # unusual for it, but they do not rule it out
    against: tuple[str, ...]  # conditions that it needs and that do not hold
    open: dict[str, str]  # conditions that it needs and that are not known, by clue
    look: str  # what would prove it

    @property
    def section(self) -> str:
        """The notebook and heading that describe it."""
        heading = f"{self.cause.letter} {self.cause.title}".replace(" ", "-")
        return f"09_atlas_of_causes.ipynb#{heading}"


@dataclass(frozen=True)
class Diagnosis:
    """What the counters of one message mean."""

    seen: Seen
    findings: tuple[str, ...]  # what the counters mean, in words
    suspects: tuple[Suspect, ...]  # they agree with all that is known, the best supported first
    later: tuple[Suspect, ...]  # likewise, but only the end that was not observed can tell
    ruled_out: tuple[Suspect, ...]  # causes of the same counters that a clue rules out
    asks: tuple[str, ...]  # clues that would distinguish the suspects, the most useful first
    next: tuple[str, ...]  # what to measure or look at next, in words
    certain: bool  # the counters have one story, and a suspect in it has no open condition
    explained: bool  # a finding says why it was lost

    @property
    def letters(self) -> tuple[str, ...]:
        """The letters of the suspects: one that is alone is the cause only if `certain` is true."""
        return tuple(suspect.cause.letter for suspect in self.suspects)

    def __str__(self) -> str:
        lines = [_wrapped("", finding) for finding in self.findings]
        steps = [_wrapped("    ", step) for step in self.next]
        if self.suspects and not self.certain:
            lines += ["\nI cannot tell yet. Next:", *steps]
            left_over = len(self.suspects) == 1 and self.suspects[0].open and not self.later
            only = "One cause is left over, which shows nothing: it is this one only"
            lines.append(f"\n{only} if what follows `if` holds:" if left_over else "\nIt can be:")
            steps = []
        many = len(self.suspects) > FEW and not self.certain  # too many to read about each
        for suspect in self.suspects:
            lines.append(f"\n{suspect.cause.letter}  {suspect.cause.title}")
            words = {
                "if": "; ".join(suspect.open.values()),
                "fits": "" if many else "; ".join(suspect.fits),
                "but": suspect.doubts and f"not so: {'; '.join(suspect.doubts)}",
                "proof": "" if many else suspect.look,
                "fix": "" if suspect.open else suspect.cause.fix,
            }
            lines += [_wrapped(f"    {key + ':':7}", text) for key, text in words.items() if text]
        if self.ruled_out:
            lines.append("\nRuled out:")
            lines += [f"    {s.cause.letter} would need: {s.against[0]}" for s in self.ruled_out]
        if steps:
            handled = self.seen.calls or self.seen.clues.answered
            unknown = not (self.suspects or self.explained) and (self.ruled_out or not handled)
            lines += ["\nI cannot tell. Next:" if unknown else "\nTo tell more:", *steps]
        return "\n".join(lines)


def _wrapped(label: str, text: str) -> str:
    whole: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
    return fill(text, WIDTH, initial_indent=label, subsequent_indent=" " * len(label), **whole)


def diagnose(*seen: Any, **clues: Any) -> Diagnosis:
    """Return the likely causes of what one message left behind; print them.

    `seen` is the five counters, such as ``Counters(4, 1, 1, 4, 4)``, what ``seen.message(event)``
    returned, or its JSON, as the JavaScript snippet prints it. Several describe one message that
    was seen in several places, such as at the client and at the server. `clues` are what else is
    known: attributes of :class:`Clues`. UsageError says what of it is wrong.
    """
    message = Seen.together(map(Seen.of, seen)).with_clues(**clues).settled()
    found, findings, stories, explained = read(message)
    judged, strangers = of_one_client(message)[0], message.clues.strangers
    if strangers is not None and strangers < found.get("zombies", 0):
        judged = judged.with_clues(gone=True)  # one of those sids was an observed client's
    suspects = _judge_all(judged, found)
    standing = sorted((each for each in suspects if not each.against), key=_rank)
    later = _later(message, standing)
    standing = [suspect for suspect in standing if suspect not in later]
    asks = _asks(standing or later)
    steps = _next(message, found, asks, bool(standing or later or explained or not found))
    if len(standing + later) > 1 and not asks:
        steps.append("These leave the same counters and clues: only the proof tells them apart.")
    if later:
        letters = ", ".join(suspect.cause.letter for suspect in later)
        steps.append(f"Only the end that is not observed can tell: {letters}.")
    return Diagnosis(
        message,
        tuple(findings),
        tuple(standing),
        tuple(later),
        tuple(suspect for suspect in suspects if suspect.against),
        asks,
        tuple(steps),
        stories == 1 and "in vain" not in found and not all(each.open for each in standing),
        explained,
    )


def _later(seen: Seen, suspects: list[Suspect]) -> list[Suspect]:
    """Return those that only an end that was not observed can tell, if there are many."""
    client, server = "own" in seen.who, "live" in seen.who
    if len(suspects) <= FEW or client is server:
        return []
    unseen = "server" if client else "client"
    sends = seen.clues.recipient not in (None, unseen)
    told = TOLD_BY[unseen] | ({*TOLD_BY["sender"], "large"} if sends else set())
    waits = [each for each in suspects if not told.isdisjoint(each.open)]
    alike = {each.cause.group for each in waits}
    return [e for e in suspects if e in waits or (e.doubts and e.cause.group in alike)]


def _rank(suspect: Suspect) -> tuple[int, bool, int, int]:
    """Return what orders suspects: doubts, then whether all is known, then what is left to know."""
    unknown = len(suspect.open)
    return len(suspect.doubts), unknown > 0, unknown - len(suspect.fits), unknown


def _judge_all(seen: Seen, found: dict[str, int]) -> list[Suspect]:
    suspects = []
    for cause in BY_THEME:
        judged = [
            _judge(cause, signature, seen, found[pattern])
            for signature in cause.signatures
            for pattern in signature.patterns
            if pattern in found
        ]
        if judged:
            suspects.append(max(judged, key=lambda s: (not s.against, not s.open, len(s.fits))))
    return suspects


def _judge(cause: Cause, signature: Signature, seen: Seen, number: int) -> Suspect:
    fits, doubts, against = list[str](), list[str](), list[str]()
    unknown = dict[str, str]()
    for need in (*signature.needs, *signature.hints):
        must = need in signature.needs
        value = getattr(seen.clues, need.clue)
        if value is None:
            unknown |= {need.clue: need.words} if must else {}
        elif need.holds(value, number):
            fits.append(need.words)
        else:
            (against if must else doubts).append(need.words)
    return Suspect(cause, tuple(fits), tuple(doubts), tuple(against), unknown, cause.look)


def _asks(suspects: list[Suspect]) -> tuple[str, ...]:
    """Return the clues, ordered by how few suspects the least helpful answer would leave."""
    left: dict[str, tuple[int, bool]] = {}
    for clue in QUESTIONS:
        answers = Counter(suspect.open.get(clue) for suspect in suspects)
        if worst := max((count for words, count in answers.items() if words), default=0):
            left[clue] = worst + answers[None], len(answers) == 1  # the last do not distinguish
    return tuple(sorted(left, key=lambda clue: left[clue]))


def _next(seen: Seen, found: dict[str, int], asks: tuple[str, ...], fits: bool) -> list[str]:
    clues, emitted = seen.clues, seen.clues.emitted
    event = (clues.event or "").removeprefix("re")
    sender = {"client": "server", "server": "client"}.get(clues.recipient or "")
    waits = clues.busy or (clues.arrived and seen.listeners and not clues.failed)
    waits = waits or (seen.packets and clues.arrived is False and clues.reason == "")
    waits = seen.calls == 0 and waits and getattr(clues, clues.recipient or "", None) == "python"
    waits = waits or (seen.calls is None and clues.answered is False and clues.reason == "")
    again = (emitted or 0) > 1 or (emitted is None and seen.args and "copies" in found)
    unsent = emitted is None and event != "connect"  # which no emit() sends
    several = (seen.sids or 0) > 1 and not clues.whose
    first: dict[str, Any] = {
        "Does its handler return before the effect? Print a line beside it.": "in vain" in found,
        "Does its handler answer: return a value, or call its last argument?": (
            clues.answered is False and not clues.failed and seen.packets and seen.calls != 0
        ),
        "Ask again in a while: a blocked process, or another handler, may hold it up (L30).": waits,
        "Are these several messages with the same arguments? Then tell them apart: "
        "observe(..., key=...).": again,
        "Are all these sids one user's? If not, count each user apart: "
        "observe(..., user=...).": several and (found or seen.packets != seen.sids),
        "Name one message at both ends: message(event, *arguments, recipient=...).": seen.apart,
        f'Is "{clues.unheard}" this event, by another name at the other end?': clues.unheard,
        _question("recipient"): clues.recipient is None and emitted == 0,
        f"Observe the {sender} as well, which sends it: it tells whether, when and for whom emit() "
        "was called.": sender and unsent and (not seen.packets or "emitted" in asks),
    }
    steps = [words for words, holds in first.items() if holds] + [*map(_question, asks[:2])]
    if "zombies" in found and clues.gone is None and "gone" not in asks[:2]:
        steps.insert(1, _question("gone"))
    steps += [words for name, words in COUNTING.items() if getattr(seen, name) is None]
    if not fits and not waits:
        steps.append("No cause of the atlas fits: it may be one that the atlas does not have yet.")
    return steps


def _question(clue: str) -> str:
    return f"{QUESTIONS[clue]} Then diagnose(..., {clue}=...)."

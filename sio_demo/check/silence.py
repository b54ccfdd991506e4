"""Comments that silence findings: ``sio-demo: ignore[rule-id]``, or ``ignore-file[rule-id]``."""

import re
from collections.abc import Iterable

from ..causes import RULES
from .model import Finding, Remark

_ALONE = re.compile(r"\s*(//|#|\{?/?\*|<!--)")
_IGNORE = re.compile(
    r"(?://|#|/\*|<!--|^\s*\*).{0,200}?sio-demo:\s*ignore(-file)?\[([^\]\n]{1,400})\]"
)


def silence(
    name: str, text: str, findings: Iterable[Finding]
) -> tuple[list[Finding], list[Remark]]:
    """Return the findings that no comment silences, and what is wrong with the comments.

    A comment holds for its line; if it stands alone, also for the next one.
    """
    kept = sorted(set(findings))
    remarks = []
    lines = text.split("\n") if "sio-demo:" in text else []
    for number, line in enumerate(lines, 1):
        for match in _IGNORE.finditer(line):
            last = number + 1 if _ALONE.match(line) else number
            for rule in map(str.strip, match[2].split(",")):
                rest = [
                    f for f in kept if f.rule != rule or not (match[1] or number <= f.line <= last)
                ]
                if rule not in RULES:
                    remarks.append(Remark(name, number, f"`{rule}` is no rule"))
                elif len(rest) == len(kept):
                    remarks.append(Remark(name, number, f"nothing to ignore for `{rule}`"))
                kept = rest
    return kept, remarks

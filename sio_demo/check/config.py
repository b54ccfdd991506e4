"""What a project does not want to see: its settings, and its comments that silence findings."""

import json
import re
import tomllib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ..causes import RULES
from ..errors import UsageError
from .model import Finding, Remark

KEYS = ("select", "ignore", "exclude", "per-file-ignores")
_ALONE = re.compile(r"\s*(//|#|\{?/?\*|<!--)")
_IGNORE = re.compile(
    r"(?://|#|/\*|<!--|^\s*\*).{0,200}?sio-demo:\s*ignore(-file)?\[([^\]\n]{1,400})\]"
)


class Config:
    """The settings of the nearest folder that has some; the command line replaces them."""

    def __init__(self, path: str, select: str | None, ignore: str | None) -> None:
        found = _settings(Path(path).absolute())
        for key in found.keys() - set(KEYS):
            raise UsageError(f"unknown setting {key!r}: there are {', '.join(KEYS)}")
        self._select = _rules(select.split(",") if select else found.get("select", RULES))
        self._ignore = {"": _rules(ignore.split(",") if ignore else found.get("ignore", ()))}
        self._ignore |= {k: _rules(v) for k, v in found.get("per-file-ignores", {}).items()}
        self.exclude = tuple(found.get("exclude", ()))

    def wants(self, finding: Finding) -> bool:
        return finding.rule in self._select and not any(
            finding.rule in rules and (not pattern or fnmatchcase(finding.path, f"*{pattern}"))
            for pattern, rules in self._ignore.items()
        )


def _rules(names: Iterable[str]) -> frozenset[str]:
    rules = frozenset(map(str.strip, names))
    for rule in rules - RULES.keys():
        raise UsageError(f"there is no rule {rule!r}: there are {', '.join(RULES)}")
    return rules


def _settings(path: Path) -> dict[str, Any]:
    for folder in (path, *path.parents):
        for name, load in (("pyproject.toml", tomllib.loads), ("package.json", json.loads)):
            if (file := folder / name).is_file():
                try:
                    text = file.read_text("utf-8", errors="replace")
                    whole = load(text) if "sio-demo" in text else {}  # else it is for others
                    found = whole.get("tool", whole).get("sio-demo")
                    if found is not None:
                        return dict(found)
                except (OSError, ValueError, AttributeError, TypeError) as error:
                    raise UsageError(f"{file} cannot be read: {error}") from None
    return {}


def silence(
    name: str, text: str, findings: Iterable[Finding]
) -> tuple[list[Finding], list[Remark]]:
    """Return what no comment on its line, or alone above it, silences; and useless comments."""
    kept = sorted(set(findings))
    remarks = []
    lines = text.split("\n") if "sio-demo:" in text else []
    for number, line in enumerate(lines, 1):
        for match in _IGNORE.finditer(line):
            last = number + 1 if _ALONE.match(line) else number
            for rule in map(str.strip, match[2].split(",")):
                where = range(len(lines) + 1) if match[1] else range(number, last + 1)
                rest = [f for f in kept if f.rule != rule or f.line not in where]
                if rule not in RULES:
                    remarks.append(Remark(name, number, f"`{rule}` is no rule"))
                elif len(rest) == len(kept):
                    remarks.append(Remark(name, number, f"nothing to ignore for `{rule}`"))
                kept = rest
    return kept, remarks

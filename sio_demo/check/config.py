"""The settings of a project, in its ``pyproject.toml`` or ``package.json``."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ..causes import RULES
from ..errors import UsageError
from .model import Finding

KEYS = ("select", "ignore", "exclude", "per-file-ignores")


@dataclass(frozen=True)
class Config:
    """The rules that are wanted, and the files that are not."""

    select: frozenset[str] = frozenset(RULES)
    ignore: frozenset[str] = frozenset()
    exclude: tuple[str, ...] = ()
    per_file: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def wants(self, finding: Finding) -> bool:
        ignored = finding.rule in self.ignore or any(
            finding.rule in rules and fnmatchcase(finding.path, f"*{pattern}")
            for pattern, rules in self.per_file.items()
        )
        return finding.rule in self.select and not ignored


def read_config(path: str, select: str | None = None, ignore: str | None = None) -> Config:
    """Return the settings for a path, from the nearest folder that has some.

    What the command line selects or ignores replaces them.

    Raises
    ------
    UsageError
        The file does not parse, or names an unknown key or rule.
    """
    found = _settings(Path(path).absolute())
    if unknown := set(found) - set(KEYS):
        raise UsageError(f"unknown setting {unknown.pop()!r}: there are {', '.join(KEYS)}")
    return Config(
        _rules(select.split(",") if select else found.get("select", RULES)),
        _rules(ignore.split(",") if ignore else found.get("ignore", ())),
        tuple(found.get("exclude", ())),
        {name: _rules(rules) for name, rules in found.get("per-file-ignores", {}).items()},
    )


def _rules(names: Iterable[str]) -> frozenset[str]:
    rules = frozenset(map(str.strip, names))
    for rule in rules - RULES.keys():
        raise UsageError(f"there is no rule {rule!r}: there are {', '.join(RULES)}")
    return rules


def _settings(path: Path) -> dict[str, Any]:
    for folder in (path, *path.parents):
        try:
            if (file := folder / "pyproject.toml").is_file():
                found = tomllib.loads(file.read_text("utf-8")).get("tool", {}).get("sio-demo")
                if found is not None:
                    return dict(found)
            if (file := folder / "package.json").is_file():
                found = json.loads(file.read_text("utf-8")).get("sio-demo")
                if found is not None:
                    return dict(found)
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise UsageError(f"{file} cannot be read: {error}") from None
    return {}

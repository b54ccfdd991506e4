"""A static checker: finds causes of duplicates and losses in source code, without running it."""

from __future__ import annotations

from .engine import check_paths, check_source
from .model import Finding, Report, Skipped
from .rules import RULES, Rule

__all__ = ["RULES", "Finding", "Report", "Rule", "Skipped", "check_paths", "check_source"]

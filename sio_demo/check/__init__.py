"""A static checker: finds the causes of duplicates and losses in sources, and executes nothing."""

from __future__ import annotations

from .engine import check_paths, check_source
from .model import Finding, Report, Skipped
from .rules import RULES, Rule

__all__ = ["RULES", "Finding", "Report", "Rule", "Skipped", "check_paths", "check_source"]

"""Recognizes React components."""

from __future__ import annotations

import re

from ast_grep_py import SgNode

from .source import Source

JSX = ("jsx_element", "jsx_self_closing_element")


def is_component(source: Source, function: SgNode) -> bool:
    """Return whether a function is a React component or hook, by its name and its JSX or hooks."""
    name = source.script.names_of_functions.get(function, "")
    exported = (parent := function.parent()) is not None and parent.kind() == "export_statement"
    if not exported and not re.match(r"[A-Z]|use[A-Z]", name):
        return False
    react = any(
        m in ("react", "preact", "preact/hooks", "react-native") for m in source.roles.facts.modules
    )
    hook = name.startswith("use")
    if hook and not react:
        return False
    if not hook and _has_jsx(source, function):
        return True
    return react and any(
        re.match(r"use[A-Z]", c.name) and source.script.enclosing(c.node) == function
        for c in source.script.calls_within(function)
    )


def _has_jsx(source: Source, function: SgNode) -> bool:
    if source.script.grammar == "typescript":
        return False  # its grammar has no JSX
    return any(function.find(kind=kind) is not None for kind in JSX)

"""Deduplication that checks before an `await` and marks after it: in memory, or in a database."""

from __future__ import annotations

import re

from ast_grep_py import SgNode

from ..shared import REMEMBERED, waits_between, word_set
from .script import FUNCTIONS, Call, span
from .source import Source

_CHECKS = word_set("has includes")
_MARKS = word_set("add set push unshift")


_QUERIES = word_set("findOne findFirst findUnique exists countDocuments count")
_INSERTS = word_set("create insertOne insert")
_MESSAGE_ID = re.compile(
    r"(?i)^((temp|dedup\w*|idempot\w*|(client_?)?(msg|message))_?(id|key|uuid|hash)|nonce)$"
)
_PERHAPS_ID = re.compile(r"(?i)^(client|local|event|request|packet)_?(id|key|uuid)$")
_ATOMIC = re.compile(
    r"(?i)\b(E?11000|P2002|23505|SQLITE_CONSTRAINT)|upsert|on conflict|\.session\(|transaction\("
)
_SERVER_EMITS = re.compile(r"\bio(\.\w+(\([^()]*\))?)*\.emit\(")


def check_then_await(source: Source) -> None:
    """Find `if (seen.has(id)) return; await ...; seen.add(id)`.

    Or with a database: `if (await Message.findOne({ id })) return; await Message.create(...)`.
    """
    if "await" not in source.script.text:
        return
    if not (
        source.roles.facts.client_imported
        or source.roles.facts.server_imported
        or source.connections
        or source.handlers
        or _SERVER_EMITS.search(source.script.text)
    ):
        return
    for check in source.script.calls:
        if check.target is None or len(check.args) < 1:
            continue
        if check.name in _CHECKS and len(check.args) == 1:
            _check(source, check)
        elif check.name in _QUERIES:
            _query(source, check)


def _query(source: Source, query: Call) -> None:
    """Report a query for a message id whose result decides whether the message is inserted."""
    function = source.script.enclosing(query.node)
    kept = _kept_as(query.node)
    assert query.target is not None
    words_of_query = re.findall(r"\w+", query.args[0].text())
    keys = [word for word in words_of_query if _MESSAGE_ID.match(word)]
    if not keys and "," not in query.args[0].text():  # else they name a user
        keys = [word for word in words_of_query if _PERHAPS_ID.match(word)]
    if function is None or not kept or not keys or _ATOMIC.search(function.text()):
        return
    after = function.text()[query.end - span(function)[0] :]
    if not re.search(rf"\bif\s*\(\s*!?\s*{re.escape(kept)}\b", after):
        return
    table = query.target.text()
    inserted = any(
        call.start > query.end
        and any(re.search(rf"\b{key}\b", after) for key in keys)
        and (
            (call.new and call.callee.text() == table)
            or (call.name in _INSERTS and call.target is not None and call.target.text() == table)
        )
        for call in source.script.calls_within(function)
    )
    if inserted:
        source.report(
            query,
            "check-then-await",
            f"`{table}` is queried, and written only after an await: a retry that comes in between "
            "finds nothing either, and the message is stored twice. Insert it at once, with a "
            f"unique index on `{keys[0]}`, and treat the error as a duplicate.",
        )


def _kept_as(query: SgNode) -> str:
    """Return the name that an awaited result is assigned to."""
    for ancestor in query.ancestors():
        label = ancestor.field("name") or ancestor.field("left")
        if ancestor.kind() in ("variable_declarator", "assignment_expression"):
            return label.text() if label else ""
        if ancestor.kind() not in ("await_expression", "member_expression", "call_expression"):
            return ""
    return ""


def _check(source: Source, check: Call) -> None:
    function = source.script.enclosing(check.node)
    statement = _condition_of(check.node, function)
    if function is None or statement is None:
        return
    assert check.target is not None
    memory, key = check.target.text(), check.args[0].text()
    if not REMEMBERED.search(memory):
        return
    marks = [
        call
        for call in source.script.calls_within(function)
        if call.name in _MARKS
        and call.target is not None
        and call.target.text() == memory
        and call.args
        and call.args[0].text() == key
        and call.start > check.end
    ]
    if not marks:
        return
    first = marks[0]
    waits = [
        span(node)[0]
        for node in function.find_all(kind="await_expression")
        if source.script.enclosing(node) == function
    ]
    if any(check.end < wait < first.start for wait in waits):
        source.report(check, "check-then-await", waits_between(memory))


def _condition_of(node: SgNode, function: SgNode | None) -> SgNode | None:
    """Return the `if` whose condition contains a call."""
    for ancestor in node.ancestors():
        if ancestor == function or ancestor.kind() in FUNCTIONS:
            return None
        if ancestor.kind() == "if_statement":
            condition = ancestor.field("condition")
            inside = condition is not None and span(node)[1] <= span(condition)[1]
            return ancestor if inside else None
    return None

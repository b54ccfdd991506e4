"""Deduplication that checks before an `await` and marks after it: in memory, or in a database."""

from __future__ import annotations

import re

from ast_grep_py import SgNode

from ..nodes import beyond, holds, label, span, text, up_to
from ..shared import REMEMBERED, waits_between, word_set
from .script import Call
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
    place = beyond(query.node, ("await_expression", "member_expression", "call_expression"))
    kept = text(label(place, "name", "left"))  # what the result is assigned to
    words_of_query = re.findall(r"\w+", query.args[0].text())
    keys = [word for word in words_of_query if _MESSAGE_ID.match(word)]
    if not keys and "," not in query.args[0].text():  # else they name a user
        keys = [word for word in words_of_query if _PERHAPS_ID.match(word)]
    if function is None or not kept or not keys or _ATOMIC.search(function.text()):
        return
    after = function.text()[query.end - span(function)[0] :]
    if not re.search(rf"\bif\s*\(\s*!?\s*{re.escape(kept)}\b", after):
        return
    table = text(query.target)
    inserted = any(
        call.start > query.end
        and any(re.search(rf"\b{key}\b", after) for key in keys)
        and (
            (call.new and call.callee.text() == table)
            or (call.name in _INSERTS and text(call.target) == table)
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


def _check(source: Source, check: Call) -> None:
    function = source.script.enclosing(check.node)
    memory, key = text(check.target), check.args[0].text()
    if function is None or not REMEMBERED.search(memory) or not _decides(check.node, function):
        return
    marks = [
        call.start
        for call in source.script.calls_within(function)
        if call.name in _MARKS
        and text(call.target) == memory
        and [argument.text() for argument in call.args[:1]] == [key]
        and call.start > check.end
    ]
    waits = [
        span(node)[0]
        for node in function.find_all(kind="await_expression")
        if source.script.enclosing(node) == function
    ]
    if any(check.end < wait < mark for mark in marks[:1] for wait in waits):
        source.report(check, "check-then-await", waits_between(memory))


def _decides(node: SgNode, function: SgNode) -> bool:
    """Return whether a call is in the condition of the `if` around it."""
    statements = (a for a in up_to(node, function) if a.kind() == "if_statement")
    statement = next(statements, None)
    condition = statement.field("condition") if statement else None
    return condition is not None and holds(condition, node)

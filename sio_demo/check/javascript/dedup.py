"""Deduplication that checks before an `await` and marks after it: in memory, or in a database."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ast_grep_py import SgNode

from ..calls import Call
from ..nodes import beyond, find_kinds, holds, label, span, text, unwrap, up_to
from ..shared import REMEMBERED, SURELY_REMEMBERED, word_set
from .source import Source

_CHECKS = word_set("has includes get hasOwnProperty")
_MARKS = word_set("add set push unshift")
_STORE_CHECKS = word_set("exists get sismember sIsMember hexists hExists hget hGet")
_STORE_MARKS = word_set("set setex setEx psetex sadd sAdd hset hSet")
_QUERIES = word_set("findOne findFirst findUnique exists countDocuments count")
_INSERTS = word_set("create insertOne insert")
_MESSAGE_ID = re.compile(
    r"(?i)^((temp|dedup\w*|idempot\w*|(client_?)?(msg|message))_?(id|key|uuid|hash)|nonce)$"
)
_PERHAPS_ID = re.compile(r"(?i)^(client|local|event|request|packet)_?(id|key|uuid)$")
_ATOMIC = re.compile(
    r"(?i)\b(E?11000|P2002|23505|SQLITE_CONSTRAINT)|upsert|on conflict|\.session\(|transaction\("
)
_SERVER_EMITS = re.compile(r"\bio(\.\w{1,40}(\([^()]{0,200}\))?){0,9}\.emit\(")
_STATEMENTS = ("if_statement", "ternary_expression")


def check_then_await(source: Source) -> None:
    """Find `if (seen.has(id)) return; await ...; seen.add(id)`.

    Or with a store: `if (await Message.findOne({ id })) return; await Message.create(...)`.
    """
    if "await" not in source.script.text and ".then(" not in source.script.text:
        return
    if not (
        source.roles.facts.client_imported
        or source.roles.facts.server_imported
        or source.connections
        or source.handlers
        or _SERVER_EMITS.search(source.script.text)
    ):
        return
    for node, memory, key in _checks(source):
        function = source.script.enclosing(node)
        if function is None or not _decides(node, function):
            continue
        mark = _first_mark(source, node, function, memory, key)
        if mark is not None and _comes_late(source, node, mark, function):
            source.report_node(node, "check-then-await", "memory", memory=memory)
    for call in source.script.calls:
        if call.target is not None and call.args:
            if call.name in _QUERIES:
                _query(source, call)
            if call.name in _STORE_CHECKS:
                _ask_store(source, call)


def _checks(source: Source) -> Iterator[tuple[SgNode, str, str]]:
    """Yield what asks whether an id is known, with the memory that is asked, and the id."""
    for call in source.script.called(*_CHECKS):
        if call.target is not None and len(call.args) == 1:
            memory, key = text(call.target), call.args[0].text()
            sure = call.name not in ("has", "includes") or REMEMBERED.search(memory) is None
            if not sure or _sure(memory, key):
                yield call.node, memory, key
    for node in find_kinds(source.script.root, ("subscript_expression", "binary_expression")):
        if node.kind() == "subscript_expression":
            memory, key = text(node.field("object")), text(node.field("index"))
        elif text(node.field("operator")) == "in":
            memory, key = text(node.field("right")), text(node.field("left"))
        else:
            continue
        if _sure(memory, key):
            yield node, memory, key


def _sure(memory: str, key: str) -> bool:
    """Return whether a map holds what was handled, and not what a cache would."""
    if SURELY_REMEMBERED.search(memory):
        return True
    name = key[-40:].rpartition(".")[2]
    return REMEMBERED.search(memory) is not None and (
        _MESSAGE_ID.match(name) is not None or (name == "id" and memory.lower().endswith("ids"))
    )


def _first_mark(
    source: Source, check: SgNode, function: SgNode, memory: str, key: str
) -> SgNode | None:
    """Return the first thing after a check that marks the id as known."""
    end = span(check)[1]
    calls = (c for c in source.script.calls_within(function) if c.name in _MARKS and c.args)
    marks = [c.node for c in calls if text(c.target) == memory and c.args[0].text() == key]
    writes = function.find_all(kind="assignment_expression")
    marks += [node for node in writes if text(node.field("left")) == f"{memory}[{key}]"]
    after = [mark for mark in marks if span(mark)[0] > end]
    return min(after, key=span, default=None)


def _comes_late(source: Source, check: SgNode, mark: SgNode, function: SgNode) -> bool:
    """Return whether there is a wait between a check and its mark: `await`, or `then`."""
    (_, start), (end, _) = span(check), span(mark)
    waits = source.script.own(function, "await_expression")
    later = (call for call in source.script.called("then", "finally") if call.start > start)
    return any(start < span(wait)[0] < end for wait in waits) or any(
        holds(argument, mark) for call in later for argument in call.args
    )


def _decides(node: SgNode, function: SgNode) -> bool:
    """Return whether a check is in the condition of an `if`, or its result is."""
    for around in up_to(node, function):
        if around.kind() in _STATEMENTS:
            condition = around.field("condition")
            return condition is not None and holds(condition, node)
    place = beyond(node, ("await_expression", "unary_expression", "parenthesized_expression"))
    kept = text(label(place, "name"))
    after = function.text()[span(node)[1] - span(function)[0] :]
    return bool(kept) and _tests(kept, after)


def _tests(name: str, source: str) -> bool:
    return re.search(rf"\bif\s*\(\s*!?\s*{re.escape(name)}\b", source) is not None


def _ask_store(source: Source, check: Call) -> None:
    """Report a question to a store such as Redis, whose mark is another request."""
    function, parent = source.script.enclosing(check.node), check.node.parent()
    if function is None or parent is None or parent.kind() != "await_expression":
        return
    store, keys = text(check.target), _keys(source, check)
    wanted = SURELY_REMEMBERED if "get" in check.name.lower() else REMEMBERED
    if not any(wanted.search(key) for key in keys) or not _decides(check.node, function):
        return
    for mark in source.script.calls_within(function):
        if mark.name not in _STORE_MARKS or mark.start < check.end or text(mark.target) != store:
            continue
        same = text(mark.args[0] if mark.args else None) == check.args[0].text()
        if same and not re.search(r"\bNX\b|nx:", mark.node.text()):
            source.report(check, "check-then-await", "memory", memory=store)


def _keys(source: Source, check: Call) -> list[str]:
    """Return the arguments of a check as text, with the values of their names."""
    names = [a for a in map(unwrap, check.args) if a.kind() == "identifier"]
    values = [value.text() for name in names for value in source.values_of(name)]
    return [*(argument.text() for argument in check.args), *values]


def _query(source: Source, query: Call) -> None:
    """Report a query for a message id whose result decides whether the message is inserted."""
    function = source.script.enclosing(query.node)
    place = beyond(query.node, ("await_expression", "member_expression", "call_expression"))
    kept = text(label(place, "name", "left"))  # what the result is assigned to
    words_of_query = re.findall(r"\w+", query.args[0].text())
    keys = [word for word in words_of_query if _MESSAGE_ID.match(word)]
    if not keys and "," not in query.args[0].text():  # else they name a user
        keys = [word for word in words_of_query if _PERHAPS_ID.match(word)]
    if function is None or not keys or _ATOMIC.search(function.text()):
        return
    after = function.text()[query.end - span(function)[0] :]
    if not (_tests(kept, after) if kept else _decides(query.node, function)):
        return
    table = text(query.target)
    inserts = (
        call.callee.text() if call.new else text(call.target) if call.name in _INSERTS else ""
        for call in source.script.calls_within(function)
        if call.start > query.end
    )
    if table in inserts and any(re.search(rf"\b{key}\b", after) for key in keys):
        source.report(query, "check-then-await", "table", table=table, key=keys[0])

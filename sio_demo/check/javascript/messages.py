"""Ids of messages made of `socket.id`, checks that wait before they mark, needless retries."""

import re
from collections.abc import Iterator

from ast_grep_py import SgNode

from ..calls import Call, call_of
from ..nodes import beyond, find_kinds, holds, kind, label, last_name, span, text, unwrap, up_to
from ..shared import MESSAGE_ID, RANDOM, REMEMBERED, SURELY_REMEMBERED, has_id_of, word_set
from .roles import CLIENTS
from .source import Source

_JOINS = ("template_string", "template_substitution", "parenthesized_expression", "as_expression")
_NAMES = ("identifier", "property_identifier")
_SEARCHES = word_set("some find findIndex")
_CHECKS = _SEARCHES | word_set("has includes get hasOwnProperty hasOwn call")
_COMPARES = re.compile(r"\(?\w+\)?\s*=>\s*(?:\w+\.)?\w*[iI]d ===? ((?:\w+\.)*\w*[iI]d)")
_LOCKS = re.compile(r"(?i)\b(acquire|lock|(with|use)lock|runExclusive|synchroni[sz]e)\(")
_MARKS = word_set("add set push unshift")
_STORE_CHECKS = word_set("exists get sismember sIsMember hexists hExists hget hGet")
_STORE_MARKS = word_set("set setex setEx psetex sadd sAdd hset hSet")
_QUERIES = word_set("findOne findFirst findUnique exists countDocuments count")
_INSERTS = word_set("create insertOne insert")
_ASKED = word_set("await_expression unary_expression parenthesized_expression")
_MESSAGE_ID = re.compile(
    r"(?i)^((temp|dedup\w*|idempot\w*|(client_?)?(msg|message))_?(id|key|uuid|hash)|nonce)$"
)
_PERHAPS_ID = re.compile(r"(?i)^(client|local|event|request|packet)_?(id|key|uuid)$")
_ATOMIC = re.compile(
    r"(?i)\b(E?11000|P2002|23505|SQLITE_CONSTRAINT)|upsert|on conflict|\.session\(|transaction\("
)
_RETRIES = re.compile(r"[\"']?retries\b(?![\"']?\s*:\s*(0|undefined)\b)")
_TIMEOUT = re.compile(r"\backTimeout\b|\.\.\.")  # or perhaps in what is spread
_NEEDED = r"\w+\s*\)\s*\{?\s*(throw|return)\b(?![^;\n]*\.\s*(create|insert))"  # or it ends
_SERVER_EMITS = re.compile(r"\bio(\.\w{1,40}(\([^()]{0,200}\))?){0,9}\.emit\(|@SubscribeMessage\(")


def ids_from_socket_id(source: Source) -> None:
    """Find ids that join `socket.id` to a counter or a time."""
    for node in source.script.root.find_all(kind="member_expression"):
        client = node.field("object")
        if text(node.field("property")) != "id":
            continue
        whole = _joined(node)
        joined = any(not holds(node, name) for name in find_kinds(whole, _NAMES))
        if not joined or RANDOM.search(whole.text()) or not _is_an_id(source, whole):
            continue
        given = source.script.resolve(client)
        roles = source.roles
        ours = roles.in_browser or (roles.client_imported and not roles.server_imported)
        handed = given is not None and given.kind == "parameter" and not ours
        if roles.of(client) in CLIENTS and not handed:  # else it may be the server's end
            names = {"id": "socket.id", "none": "undefined"}
            source.report_node(whole, "id-from-socket-id", "joined", **names)


def _joined(part: SgNode) -> SgNode:
    """Return the whole of a text, of which a node is a part."""
    whole, above = part, part.ancestors()
    for number, around in enumerate(above):
        if around.kind() == "array" and last_name(above[number + 1]) == "join":
            return above[number + 2]
        if around.kind() not in _JOINS and text(around.field("operator")) != "+":
            break
        whole = around
    return whole


def _is_an_id(source: Source, node: SgNode, depth: int = 2) -> bool:
    """Return whether a value is assigned to the name of an id, emitted, or returned for that."""
    place = node.parent()
    if kind(place) in ("arrow_function", "return_statement"):
        function = source.script.enclosing(node) or node
        calls = source.script.called(source.script.names_of_functions.get(function, ""))
        return depth > 0 and any(_is_an_id(source, call.node, depth - 1) for call in calls)
    if given := label(place, "name", "key", "left"):
        return MESSAGE_ID.search(last_name(given)) is not None
    call = call_of(outer) if place and (outer := place.parent()) else None
    return call is not None and call.name == "emit" and node in call.args[1:]


def retries_without_timeout(source: Source) -> None:
    for call in filter(source.roles.makes_client, source.script.calls):
        for given in map(unwrap, call.args):
            kept = source.script.resolve(given)
            for options in kept.values if kept else [given]:
                pairs = options.children() if kind(options) == "object" else []
                retries = next((p for p in pairs if _RETRIES.match(p.text())), None)
                if retries and not _TIMEOUT.search(text(options)):
                    source.report_node(retries, "retries-without-timeout", "client")


def check_then_await(source: Source) -> None:
    """Find `if (seen.has(id)) return; await ...; seen.add(id)`, also of a table or store."""
    imported = source.roles.client_imported or source.roles.server_imported
    used = imported or source.connections or source.handlers
    if not used and not _SERVER_EMITS.search(source.script.text):
        return
    for check, memory, key in _checks(source):
        function = source.script.enclosing(check)
        if function is not None and _decides(check, function):
            mark = _first_mark(source, check, function, memory, key)
            if mark is not None and _comes_late(source, check, mark, function):
                source.report_node(check, "check-then-await", "memory", memory=memory)
    for names, find in ((_QUERIES, _query), (_STORE_CHECKS, _ask_store)):
        for call in source.script.called(*names):
            function = source.script.enclosing(call.node)
            if function is not None and call.target is not None and call.args:
                find(source, call, function)


def _checks(source: Source) -> Iterator[tuple[SgNode, str, str]]:
    """Yield what asks whether an id is known, with the memory that is asked, and the id."""
    for call in source.script.called(*_CHECKS):
        memory, keys = text(call.target), [argument.text() for argument in call.args]
        if "hasOwn" in call.callee.text() and len(keys) == 2:  # `Object.hasOwn(memory, key)`
            memory, keys = keys[0], keys[1:]
        searched = _COMPARES.fullmatch(" ".join(keys))
        if call.name in _SEARCHES:
            keys = [searched[1]] if searched else []
        asks = (searched or call.name in ("has", "includes")) and REMEMBERED.search(memory)
        if len(keys) == 1 and (asks or _sure(memory, keys[0])):
            yield call.node, memory, keys[0]
    for node in find_kinds(source.script.root, ("subscript_expression", "binary_expression")):
        memory, key = text(label(node, "object", "right")), text(label(node, "index", "left"))
        if text(node.field("operator")) in ("", "in") and _sure(memory, key):
            yield node, memory, key


def _sure(memory: str, key: str) -> bool:
    """Return whether a map holds what was handled, and not what a cache would."""
    name = key[-40:].rpartition(".")[2]
    of_message = _MESSAGE_ID.match(name) or (name == "id" and memory.lower().endswith("ids"))
    wanted = REMEMBERED if of_message else SURELY_REMEMBERED
    return wanted.search(memory) is not None


def _first_mark(
    source: Source, check: SgNode, function: SgNode, memory: str, key: str
) -> SgNode | None:
    calls = (c for c in source.script.calls_within(function) if c.name in _MARKS and c.args)
    keys = (key, key.rpartition(".")[0])  # or the message that has the id
    marks = [c.node for c in calls if text(c.target) == memory and c.args[0].text() in keys]
    writes = function.find_all(kind="assignment_expression")
    marks += [node for node in writes if text(node.field("left")) == f"{memory}[{key}]"]
    return min((mark for mark in marks if span(mark) > span(check)), key=span, default=None)


def _comes_late(source: Source, check: SgNode, mark: SgNode, function: SgNode) -> bool:
    """Return whether a mark waits, but not for what comes before the check: a lock."""
    around = beyond(function, ("arguments",)) or function
    if _LOCKS.search(around.text()[: span(check)[0] - span(around)[0]]):
        return False
    waits = source.script.own(function, "await_expression")
    later = (c for c in source.script.called("then", "finally") if c.end > span(check)[1])
    return any(span(check) < span(wait) < span(mark) for wait in waits) or any(
        holds(argument, mark) for call in later for argument in call.args
    )


def _decides(node: SgNode, function: SgNode) -> bool:
    """Return whether a check is in the condition of an `if`, or its result is."""
    for around in up_to(node, function):
        if around.kind() in ("if_statement", "ternary_expression"):
            condition = around.field("condition")
            return condition is not None and holds(condition, node)
    place = beyond(node, _ASKED)
    return _is_tested(text(label(place, "name")), node, function)


def _is_tested(name: str, node: SgNode, function: SgNode) -> bool:
    after = function.text()[span(node)[1] - span(function)[0] :]
    asked = rf"\bif\s*\(\s*(?:!\s*(?!{_NEEDED}))?{re.escape(name)}\b"
    return bool(name) and re.search(asked, after) is not None


def _ask_store(source: Source, check: Call, function: SgNode) -> None:
    """Report a question to a store such as Redis, whose mark is another request."""
    keys = [key.text() for key in (check.args[0], *source.values_of(check.args[0]))]
    place, given = beyond(check.node, _ASKED), text(function.field("parameters"))
    alone = place is not None and place.kind() == "if_statement"  # a cache's value is used
    kept = re.escape(text(label(place, "name")))
    tested = alone or (kept and len(re.findall(rf"\b{kept}\b", function.text())) == 2)
    used = "get" in check.name.lower() and not tested
    named = any(map((SURELY_REMEMBERED if used else REMEMBERED).search, keys))
    waits = source.script.own(function, "await_expression")
    if beyond(check.node, ()) not in waits or not _decides(check.node, function):
        return
    for mark in source.script.calls_within(function):
        if mark.name in _STORE_MARKS and mark.start > check.end and mark.args:
            between = (check.end < span(w)[0] and span(w)[1] < mark.start for w in waits)
            if not named and not (tested and has_id_of(given, keys[0]) and any(between)):
                continue
            alike = text(mark.target) == text(check.target) and mark.args[0].text() == keys[0]
            if alike and not re.search(r"\bNX\b|nx:", mark.node.text()):
                source.report(check, "check-then-await", "memory", memory=text(check.target))


def _query(source: Source, query: Call, function: SgNode) -> None:
    """Report a query for a message id whose result decides whether the message is inserted."""
    words_of_query = re.findall(r"\w+", query.args[0].text())
    keys = list(filter(_MESSAGE_ID.match, words_of_query))
    if not keys and "," not in query.args[0].text():  # else they name a user
        keys = list(filter(_PERHAPS_ID.match, words_of_query))
    waiting = any(holds(w, query.node) for w in source.script.own(function, "await_expression"))
    if not keys or not waiting or _ATOMIC.search(function.text()):
        return
    place = beyond(query.node, ("await_expression", "member_expression", "call_expression"))
    kept = text(label(place, "name", "left"))  # what the result is assigned to
    if not (_is_tested(kept, query.node, function) or _decides(query.node, function)):
        return
    table = text(query.target)
    for call in source.script.calls_within(function):
        written = call.callee if call.new else call.target if call.name in _INSERTS else None
        if call.start > query.end and text(written) == table:
            source.report(query, "check-then-await", "table", table=table, key=keys[0])

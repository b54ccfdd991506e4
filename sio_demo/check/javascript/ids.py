"""Message ids that contain `socket.id`."""

from __future__ import annotations

import re

from ast_grep_py import SgNode

from ..calls import call_of
from ..nodes import beyond, find_kinds, label, last_name, text, unwrap
from ..shared import MESSAGE_ID, RANDOM
from .facts import CLIENTS
from .source import Source


def ids_from_socket_id(source: Source) -> None:
    """Find ids that join `socket.id` to a counter or a time."""
    if not re.search(r"\.id\b", source.script.text):
        return
    for node in find_kinds(source.script.root, ("template_string", "binary_expression")):
        parent = node.parent()
        if parent is not None and parent.kind() in ("binary_expression", "template_substitution"):
            continue
        parts = _parts(node)
        if not any(_is_socket_id(source, part) for part in parts):
            continue
        if (
            all(_is_socket_id(source, part) for part in parts)
            or RANDOM.search(node.text())
            or not _names_an_id(source, node)
        ):
            continue
        source.report_node(node, "id-from-socket-id", "javascript")


def _parts(node: SgNode) -> list[SgNode]:
    """Return the values that are concatenated, without literals."""
    if node.kind() == "template_string":
        inner = [c for c in node.children() if c.kind() == "template_substitution"]
        return [unwrap(c.children()[1]) for c in inner if len(c.children()) > 1]
    left, right = node.field("left"), node.field("right")
    if text(node.field("operator")) != "+" or not left or not right:
        return []
    found = []
    for side in map(unwrap, (left, right)):
        if side.kind() == "binary_expression":
            found += _parts(side)
        elif side.kind() not in ("string", "number"):
            found.append(side)
    return found


def _is_socket_id(source: Source, node: SgNode) -> bool:
    inner = node.field("object")
    if inner is None or text(node.field("property")) != "id":
        return False
    return source.roles.of(inner) in CLIENTS and not source.roles.facts.server_imported


def _names_an_id(source: Source, node: SgNode) -> bool:
    """Return whether a value is assigned to the name of an id, or emitted as an argument."""
    place = beyond(node, ("parenthesized_expression", "as_expression"))
    if name := label(place, "name", "key", "left"):
        return MESSAGE_ID.search(last_name(name)) is not None
    if place and place.kind() == "arguments" and (outer := place.parent()):
        call = call_of(outer)
        return call.name == "emit" and call.args[0] != node
    return False

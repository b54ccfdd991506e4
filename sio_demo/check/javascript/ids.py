"""Message ids that contain `socket.id`."""

from ast_grep_py import SgNode

from ..calls import call_of
from ..nodes import find_kinds, holds, label, last_name, text
from ..shared import MESSAGE_ID, RANDOM
from .facts import CLIENTS
from .source import Source

_JOINS = ("template_string", "template_substitution", "parenthesized_expression", "as_expression")
_NAMES = ("identifier", "property_identifier")


def ids_from_socket_id(source: Source) -> None:
    """Find ids that join `socket.id` to a counter or a time."""
    if source.roles.facts.server_imported:
        return
    for node in source.script.root.find_all(kind="member_expression"):
        client = node.field("object")
        if client is None or text(node.field("property")) != "id":
            continue
        whole = _joined(node)
        joined = any(not holds(node, name) for name in find_kinds(whole, _NAMES))
        if not joined or RANDOM.search(whole.text()) or not _is_an_id(whole):
            continue
        given = source.script.resolve(client) if client.kind() == "identifier" else None
        handed = given is not None and given.kind == "parameter" and not source.in_browser
        if source.roles.of(client) in CLIENTS and not handed:  # else it may be the server's end
            source.report_node(whole, "id-from-socket-id", "javascript")


def _joined(part: SgNode) -> SgNode:
    """Return the whole of a text, of which a node is a part."""
    whole = part
    for around in part.ancestors():
        if around.kind() not in _JOINS and text(around.field("operator")) != "+":
            break
        whole = around
    return whole


def _is_an_id(node: SgNode) -> bool:
    """Return whether a value is assigned to the name of an id, or emitted as an argument."""
    place = node.parent()
    if name := label(place, "name", "key", "left"):
        return MESSAGE_ID.search(last_name(name)) is not None
    outer = place.parent() if place and place.kind() == "arguments" else None
    call = call_of(outer) if outer else None
    return call is not None and call.name == "emit" and call.args[0] != node

"""Functions that another file runs: for each connection, or when a component is mounted."""

from collections.abc import Iterable, Iterator

from ast_grep_py import SgNode

from ..calls import Call, call_of
from .bindings import required_module
from .facts import Role
from .source import Entry, Source
from .streams import service_of


def run_by_connections(source: Source) -> Iterator[Entry]:
    """Yield functions of other files that are connection handlers, or get their socket."""
    for call in source.script.calls:
        if source.roles.is_server_connection(call) and (found := _imported(source, call.args[1])):
            yield Entry(*found, "connection", 0)
    for function in source.connections:
        for call in source.script.calls_within(function):
            found = _imported(source, call.callee)
            for index, argument in enumerate(call.args if found else ()):
                if found and source.roles.of(argument) is Role.PEER:
                    yield Entry(*found, "connection", index)


def run_by_mounts(source: Source, calls: Iterable[Call], composed: bool) -> Iterator[Entry]:
    """Yield functions of other files that components run as statements when mounted.

    If `composed`, also functions destructured from the result of a composable.
    """
    for call in calls:
        found = service_of(source.script, call)
        if found is None and call.target is None and not call.new and _is_statement(call.node):
            found = _imported(source, call.callee, composed)
        if found is not None:
            yield Entry(*found, "mount")


def _is_statement(node: SgNode) -> bool:
    parent = node.parent()
    return parent is None or parent.kind() in ("expression_statement", "variable_declarator")


def _imported(source: Source, node: SgNode, composed: bool = False) -> tuple[str, str] | None:
    """Return the module of an imported function, and its name there."""
    if module := required_module(node):
        return module, "default"
    if node.kind() == "member_expression":
        owner, member = node.field("object"), node.field("property")
        found = source.script.resolve(owner) if owner and owner.kind() == "identifier" else None
        whole = found is not None and member is not None and found.imported in ("*", "default")
        return (found.module, member.text()) if whole and found and member else None
    binding = source.script.resolve(node) if node.kind() == "identifier" else None
    if binding is None:
        return None
    if binding.module:
        return binding.module, binding.imported
    made = binding.source
    if composed and made is not None and made.kind() == "call_expression" and binding.key:
        callee = call_of(made).callee
        maker = source.script.resolve(callee) if callee.kind() == "identifier" else None
        if maker is not None and maker.module:
            return maker.module, binding.key
    return None

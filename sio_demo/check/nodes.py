"""What the rules of all languages ask of a syntax tree."""

from collections.abc import Iterable, Iterator
from itertools import takewhile

from ast_grep_py import SgNode

from .shared import word_set

WRAPPERS = word_set(
    "parenthesized_expression as_expression satisfies_expression non_null_expression "
    "await_expression type_assertion"
)


def text(node: SgNode | None) -> str:
    """Return the source of a node; ``""`` if there is none."""
    return node.text() if node else ""


def kind(node: SgNode | None) -> str:
    """Return the kind of a node; ``""`` if there is none."""
    return node.kind() if node else ""


def last_name(node: SgNode | None) -> str:
    """Return the last name in `a.b.c`, or a key without its quotes."""
    return text(node).rpartition(".")[2].strip("\"'")


def span(node: SgNode) -> tuple[int, int]:
    """Return the offsets at which a node starts and ends."""
    where = node.range()
    return where.start.index, where.end.index


def holds(outer: SgNode, inner: SgNode) -> bool:
    """Return whether a node contains another one, or is it."""
    (start, end), (first, last) = span(outer), span(inner)
    return start <= first and last <= end


def parts(node: SgNode | None) -> list[SgNode]:
    """Return the named children of a node, without comments."""
    return [c for c in node.children() if c.is_named() and c.kind() != "comment"] if node else []


def unwrap(node: SgNode) -> SgNode:
    """Return a node without its parentheses, casts, `!` and `await`."""
    while node.kind() in WRAPPERS and (inner := parts(node)):
        node = inner[-1] if node.kind() == "type_assertion" else inner[0]
    return node


def label(node: SgNode | None, *fields: str) -> SgNode | None:
    """Return the first of these fields that a node has."""
    return next((found for name in fields if node and (found := node.field(name))), None)


def find_kinds(node: SgNode, kinds: Iterable[str]) -> list[SgNode]:
    return node.find_all(any=[{"kind": kind} for kind in kinds])


def up_to(node: SgNode, end: SgNode | None) -> Iterator[SgNode]:
    """Yield the nodes around a node, from inside out, that are inside `end`."""
    return takewhile(lambda ancestor: ancestor != end, node.ancestors())


def beyond(node: SgNode, kinds: Iterable[str]) -> SgNode | None:
    """Return the first node around a node that is of none of these kinds."""
    return next((a for a in node.ancestors() if a.kind() not in kinds), None)


def nearest(functions: list[SgNode], node: SgNode) -> SgNode | None:
    """Return the one of several functions of a name that is closest to its use."""
    here = span(node)[0]
    return min(functions, key=lambda function: abs(span(function)[0] - here), default=None)

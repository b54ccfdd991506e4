"""Parses a source of any language that the checker knows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ast_grep_py import SgNode, SgRoot

from .pages import EmbeddedScripts, scripts_of, without_templates
from .sources import UnreadableError, is_minified

_AGAIN = {"javascript": ("tsx",), "typescript": ("tsx",), "tsx": ("typescript",)}
_WITH_SCRIPTS = ("vue", "svelte", "html", "astro")
_DEEPEST = 100  # levels of indentation; Python itself allows no more, and the parser some hundred
_SAMPLE = 20_000  # characters


@dataclass(frozen=True)
class Parsed:
    """A syntax tree, its grammar, and the page around it; the first line that does not parse."""

    root: SgNode
    grammar: str
    page: EmbeddedScripts | None
    broken: int | None = None


def parse(text: str, language: str) -> Parsed:
    """Parse a source; what the parser skips to recover from an error is missing in the tree.

    Raises
    ------
    UnreadableError
        It is minified, or nested too deeply.
    """
    if is_minified(text):
        raise UnreadableError("minified")
    if language == "python" and _depth(text) > _DEEPEST:
        raise UnreadableError("nested too deeply")
    page = scripts_of(text, language) if language in _WITH_SCRIPTS else None
    best: tuple[int, Parsed] | None = None
    for source, grammar in _ways(text, language, page):
        start = len(source) - len(source.lstrip())
        if len(source) > _SAMPLE and len(_parse(source[start : start + _SAMPLE], grammar)[1]) > 99:
            raise UnreadableError("does not parse")  # the parser is slow if all is wrong
        root, errors = _parse(source, grammar)
        line = errors[0].range().start.line + 1 if errors else None
        if best is None or len(errors) < best[0]:
            best = len(errors), Parsed(root, grammar, page, line)
        if not errors:
            break
    assert best is not None
    return best[1]


def _parse(source: str, grammar: str) -> tuple[SgNode, list[SgNode]]:
    root = SgRoot(source, grammar).root()
    return root, [e for e in root.find_all(kind="ERROR") if not _is_plain_text(e)]


def _ways(text: str, language: str, page: EmbeddedScripts | None) -> Iterator[tuple[str, str]]:
    """Yield what to parse, with which grammar; JavaScript may have the types of TypeScript."""
    if page is not None:
        yield page.text, page.language
        plain = without_templates(page.text)
        if language == "html" and plain != page.text:
            yield plain, page.language
        return
    for grammar in (language, *_AGAIN.get(language, ())):
        yield text, grammar


def _is_plain_text(error: SgNode) -> bool:
    """Return whether a syntax error is only an `&` in JSX text, which the grammar rejects."""
    parent = error.parent()
    within = parent.kind() if parent else ""
    return error.text().startswith("&") and within in ("jsx_element", "string")


def _depth(text: str) -> int:
    """Return how many levels of indentation the deepest line of a source has."""
    deepest, levels = 0, [0]
    for line in re.finditer(r"(?m)^([ \t]*)\S", text):
        width = len(line[1])
        while levels and levels[-1] >= width:
            levels.pop()
        levels.append(width)
        deepest = max(deepest, len(levels))
    return deepest

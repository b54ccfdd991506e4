"""Parses a source of any language that the checker knows, and the scripts of pages."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ast_grep_py import SgNode, SgRoot

from .nodes import kind
from .sources import UnreadableError, is_minified

_OPENING = re.compile(r"""(?is)<script\b((?:"[^"<]*"|'[^'<]*'|[^<>"'])*)>""")
_CLOSING = re.compile(r"(?i)</script\s{0,9}>")
_ATTRIBUTE = re.compile(r"""(?i)\b(lang|type|src)\s*=\s*["']?([^"'\s>]+)""")
_SCRIPT_TYPE = re.compile(r"javascript|module|babel|jsx|ecmascript|typescript|^tsx?$")
_TEMPLATES = {"{{": "}}", "<%": "%>", "{%": "%}", "{#": "#}", "<?": "?>"}
_TEMPLATE = re.compile("|".join(map(re.escape, _TEMPLATES)))
_VALUE = re.compile(r"\{\{|<%[^ _]|<\?=")  # what opens an expression, rather than a statement
_AGAIN = {"javascript": ("tsx",), "typescript": ("tsx",), "tsx": ("typescript",)}
_WITH_SCRIPTS = ("vue", "svelte", "html", "astro")
_DEEPEST = 100  # levels of indentation; Python itself allows no more, and the parser some hundred
_SAMPLE = 20_000  # characters


@dataclass(frozen=True)
class EmbeddedScripts:
    """The scripts of a page, the rest blank; `instances` run for each instance of a component."""

    text: str
    language: str
    client_script: bool
    instances: tuple[tuple[int, int], ...] = ()


def scripts_of(text: str, language: str) -> EmbeddedScripts:
    kept = list(blank(text))
    found = "typescript" if language == "astro" else "javascript"
    client = language == "html" and "socket.io.js" in text
    instances = []
    position = 0
    while (opening := _OPENING.search(text, position)) is not None:
        comment = text.rfind("<!--", position, opening.start())
        end = text.find("-->", comment) if comment >= 0 else 0
        if end > opening.start():
            position = end
            continue
        closing = _CLOSING.search(text, opening.end())
        if closing is None or end < 0:
            break
        position = closing.end()
        inside = slice(opening.end(), closing.start())
        attributes = {k.lower(): v for k, v in _ATTRIBUTE.findall(opening[1])}
        client = client or "socket.io" in attributes.get("src", "")
        kind = attributes.get("type", "").lower()
        if kind and not _SCRIPT_TYPE.search(kind):
            continue
        lang = attributes.get("lang", kind).lower()
        if lang.endswith(("ts", "typescript")):
            found = "typescript" if found == "javascript" else found
        kept[inside] = text[inside]
        marks = set(re.findall(r"\b(setup|module)\b", opening[1]))
        if (language == "vue" and marks == {"setup"}) or (language == "svelte" and not marks):
            instances.append((inside.start, inside.stop))
    return EmbeddedScripts("".join(kept), found, client, tuple(instances))


def without_templates(text: str) -> str:
    """Replace the expressions of a template language, so that the script around them parses."""
    done: list[str] = []
    position = 0
    absent: set[str] = set()
    for opening in _TEMPLATE.finditer(text):
        start, closer = opening.start(), _TEMPLATES[opening[0]]
        if start < position or closer in absent:
            continue
        end = text.find(closer, opening.end())
        if end < 0:
            absent.add(closer)
            continue
        done.append(text[position:start])
        position = end + len(closer)
        gap = blank(text[start:position])
        done.append(gap[:-1] + "0" if _VALUE.match(text, start) else gap)
    return "".join(done) + text[position:]


def blank(text: str) -> str:
    """Return a text with all but its line ends replaced by spaces."""
    return re.sub(r"[^\n]", " ", text)


@dataclass(frozen=True)
class Parsed:
    """A syntax tree, its grammar, and the page around it; the first line that does not parse."""

    root: SgNode
    grammar: str
    page: EmbeddedScripts | None
    broken: int | None = None


def parse(text: str, language: str) -> Parsed:
    """Parse a source; what the parser skips to recover from an error is missing in the tree."""
    if is_minified(text):
        raise UnreadableError("minified")
    if language == "python" and _depth(text) > _DEEPEST:
        raise UnreadableError("nested too deeply")
    page = scripts_of(text, language) if language in _WITH_SCRIPTS else None
    tried: list[tuple[int, Parsed]] = []
    for source, grammar in _ways(text, language, page):
        start = len(source) - len(source.lstrip())
        if len(source) > _SAMPLE and len(_parse(source[start : start + _SAMPLE], grammar)[1]) > 99:
            raise UnreadableError("does not parse")  # the parser is slow if all is wrong
        root, errors = _parse(source, grammar)
        line = errors[0].range().start.line + 1 if errors else None
        tried.append((len(errors), Parsed(root, grammar, page, line)))
        if not errors:
            break
    return min(tried, key=lambda each: each[0])[1]


def _parse(source: str, grammar: str) -> tuple[SgNode, list[SgNode]]:
    root = SgRoot(source, grammar).root()
    return root, [
        error
        for error in root.find_all(kind="ERROR")  # not an `&` in JSX text, which is right
        if not error.text().startswith("&") or kind(error.parent()) not in ("jsx_element", "string")
    ]


def _ways(text: str, language: str, page: EmbeddedScripts | None) -> Iterator[tuple[str, str]]:
    """Yield what to parse, with which grammar; JavaScript may have the types of TypeScript."""
    if page is None:
        yield from ((text, grammar) for grammar in (language, *_AGAIN.get(language, ())))
        return
    yield page.text, page.language
    if language == "html" and (plain := without_templates(page.text)) != page.text:
        yield plain, page.language


def _depth(text: str) -> int:
    deepest, levels = 0, [0]
    for line in re.finditer(r"(?m)^([ \t]*)\S", text):
        width = len(line[1])
        while levels and levels[-1] >= width:
            levels.pop()
        levels.append(width)
        deepest = max(deepest, len(levels))
    return deepest

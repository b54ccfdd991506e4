"""The scripts of pages, components and templates."""

import re
from dataclasses import dataclass

_OPENING = re.compile(r"""(?is)<script\b((?:"[^"<]*"|'[^'<]*'|[^<>"'])*)>""")
_CLOSING = re.compile(r"(?i)</script\s{0,9}>")
_ATTRIBUTE = re.compile(r"""(?i)\b(lang|type|src)\s*=\s*["']?([^"'\s>]+)""")
_SCRIPT_TYPE = re.compile(r"javascript|module|babel|jsx|ecmascript|typescript")
_TEMPLATES = {"{{": "}}", "<%": "%>", "{%": "%}", "{#": "#}", "<?": "?>"}
_TEMPLATE = re.compile("|".join(map(re.escape, _TEMPLATES)))
_VALUE = re.compile(r"\{\{|<%[^ _]|<\?=")  # what opens an expression, rather than a statement


@dataclass(frozen=True)
class EmbeddedScripts:
    """The scripts of a page or component at their original positions; the rest is blank.

    `instances` are the spans that run for every instance of the component.
    """

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
        closing = _CLOSING.search(text, opening.end())
        if closing is None:
            break
        position = closing.end()
        inside = slice(opening.end(), closing.start())
        attributes = {k.lower(): v for k, v in _ATTRIBUTE.findall(opening[1])}
        client = client or "socket.io" in attributes.get("src", "")
        kind = attributes.get("type", "").lower()
        if kind and not _SCRIPT_TYPE.search(kind):
            continue
        lang = attributes.get("lang", "").lower()
        if lang in ("ts", "typescript"):
            found = "typescript" if found == "javascript" else found
        elif lang == "tsx":
            found = "tsx"
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

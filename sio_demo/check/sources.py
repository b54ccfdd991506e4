"""Finds and reads sources, and extracts the scripts of pages and components."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from .shared import word_set

HUGE = 1_000_000  # bytes
LONG_LINE = 5_000  # characters; only minified code has many longer ones

LANGUAGES = {
    ".js": "javascript",
    ".jsx": "javascript",
    ".mjs": "javascript",
    ".cjs": "javascript",
    ".ts": "typescript",
    ".mts": "typescript",
    ".cts": "typescript",
    ".tsx": "tsx",
    ".vue": "vue",
    ".svelte": "svelte",
    ".html": "html",
    ".htm": "html",
    ".py": "python",
}
_SKIPPED_DIRECTORIES = word_set(
    "node_modules bower_components jspm_packages dist build out coverage vendor vendors "
    "third_party site-packages __pycache__ venv virtualenv env target storybook-static"
)
_TEST_DIRECTORIES = word_set(
    "test tests __tests__ __mocks__ spec specs e2e cypress playwright testing"
)
_TEST_FILE = re.compile(
    r"(\.|-|_)(test|tests|spec|specs|cy|e2e|stories)\.\w+$|^(test|tests|spec|conftest)[._-]|"
    r"^(test|tests|conftest)\.\w+$"
)
_VENDORED_FILE = re.compile(
    r"(?i)\.min\.|[.-]bundle\.|\.d\.[cm]?ts$|^(socket\.io|socketio|jquery|bootstrap|vue|react|"
    r"angular|three|phaser|p5|require)([.-][\w.-]*)?\.js$|^chunk-|\.chunk\.|-[0-9a-f]{8,}\.js$"
)
_SCRIPT = re.compile(r"""(?is)<script\b((?:"[^"]*"|'[^']*'|[^>"'])*)>(.*?)</script\s*>""")
_ATTRIBUTE = re.compile(r"""(?i)\b(lang|type|src)\s*=\s*["']?([^"'\s>]+)""")
_TEMPLATE = re.compile(r"(?s)\{\{.*?\}\}|<%.*?%>|\{%.*?%\}|\{#.*?#\}")


@dataclass(frozen=True)
class SourceFile:
    """A file to check: its path as reported, and its language."""

    path: Path
    language: str


def find_files(root: Path) -> Iterator[SourceFile]:
    """Yield the sources below a path in a stable order, without tests and installed packages.

    Links to directories are not followed, so they cannot cause a loop.
    """
    if not root.is_dir():
        yield from _file(root)
        return
    for folder, directories, names in os.walk(root, followlinks=False):
        here = Path(folder)
        directories[:] = sorted(d for d in directories if _is_searched(here / d))
        for name in sorted(names):
            if not is_test(name) and not _VENDORED_FILE.search(name):
                yield from _file(here / name)


def _file(path: Path) -> Iterator[SourceFile]:
    language = language_of(path)
    if language is not None:
        yield SourceFile(path, language)


def language_of(path: PurePath) -> str | None:
    """Return the language of a file by its extension; None if it is not supported."""
    return LANGUAGES.get(path.suffix.lower())


def _is_searched(directory: Path) -> bool:
    name = directory.name
    if name.startswith(".") or name in _SKIPPED_DIRECTORIES or name in _TEST_DIRECTORIES:
        return False
    return not (directory / "pyvenv.cfg").exists()


def is_test(name: str) -> bool:
    return _TEST_FILE.search(name) is not None


class UnreadableError(Exception):
    """A file cannot be checked; the text says why. Never leaves the checker."""


def read(path: Path) -> str:
    """Return the text of a source.

    Raises
    ------
    UnreadableError
        It is too large or binary, or the system cannot read it.
    """
    try:
        if not path.is_file():
            raise UnreadableError("not a regular file")
        if path.stat().st_size > HUGE:
            raise UnreadableError(f"larger than {HUGE // 1_000_000} MB")
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace").replace("\r\n", "\n")
    if b"\0" in data:
        raise UnreadableError("binary")
    text = data.decode("utf-8-sig", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def is_minified(text: str) -> bool:
    longest = max(map(len, text.splitlines()), default=0)
    return longest > LONG_LINE and len(text) > 200 * (text.count("\n") + 1)


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
    kept = list(re.sub(r"[^\n]", " ", text))
    found = "javascript"
    client = False
    instances = []
    for match in _SCRIPT.finditer(text):
        attributes = {k.lower(): v for k, v in _ATTRIBUTE.findall(match[1])}
        if "socket.io" in attributes.get("src", ""):
            client = True
        kind = attributes.get("type", "").lower()
        if kind and not re.search(r"javascript|module|babel|jsx|ecmascript|typescript", kind):
            continue
        lang = attributes.get("lang", "").lower()
        if lang in ("ts", "typescript"):
            found = "typescript" if found == "javascript" else found
        elif lang == "tsx":
            found = "tsx"
        kept[match.start(2) : match.end(2)] = match[2]
        once = language == "html" or (language == "vue") != bool(re.search(r"\bsetup\b", match[1]))
        if not once and not re.search(r"\bmodule\b", match[1]):
            instances.append(match.span(2))
    client = client or (language == "html" and "socket.io.js" in text)
    return EmbeddedScripts("".join(kept), found, client, tuple(instances))


def without_templates(text: str) -> str:
    """Replace the expressions of a template language, so that the script around them parses."""
    return _TEMPLATE.sub(
        lambda m: (
            re.sub(r"[^\n]", " ", m[0][:-1]) + "0"
            if m[0][:2] in ("{{", "<%")
            and m[0][2:3] in "=-" + m[0][2:3]
            and not m[0].startswith(("<% ", "<%_"))
            else re.sub(r"[^\n]", " ", m[0])
        ),
        text,
    )

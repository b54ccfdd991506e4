"""Finds and reads sources; names what is left out, and what cannot be read."""

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from stat import S_ISREG

from pathspec import GitIgnoreSpec

from .model import Skipped
from .shared import word_set

HUGE = 1_000_000  # bytes
LONG_LINE = 5_000  # characters; only minified code has many longer ones

LANGUAGES = {
    **dict.fromkeys((".js", ".jsx", ".mjs", ".cjs"), "javascript"),
    **dict.fromkeys((".ts", ".mts", ".cts"), "typescript"),
    **dict.fromkeys((".html", ".htm", ".ejs", ".hbs", ".handlebars", ".php", ".njk"), "html"),
    ".tsx": "tsx",
    ".vue": "vue",
    ".svelte": "svelte",
    ".astro": "astro",
    ".py": "python",
}
_UNREAD = (".mdx", ".pug", ".jade", ".coffee", ".marko")
_INSTALLED = word_set("node_modules bower_components jspm_packages site-packages __pycache__")
_TESTS = word_set("__tests__ __mocks__ cypress playwright")
_PERHAPS = {  # what a folder holds if it stands beside a package's own files
    **dict.fromkeys(word_set("dist build out coverage target storybook-static"), "build outputs"),
    **dict.fromkeys(word_set("vendor vendors third_party env venv virtualenv"), "installed"),
    **dict.fromkeys(word_set("test tests spec specs e2e testing"), "tests"),
}
_PACKAGE = word_set(
    "package.json tsconfig.json pyproject.toml setup.py requirements.txt pom.xml Cargo.toml go.mod "
    "composer.json Gemfile src .git"
)
_TEST_NAME = re.compile(
    r"\.(tests?|specs?|cy|e2e|stories)\.\w+$|^test_.*\.py$|_test\.py$|^conftest"
)
_VENDORED_NAME = re.compile(
    r"(?i)\.min\.|\.d\.[cm]?ts$|^[a-z.]+-\d[\d.]+\.js$|^chunk-|\.chunk\.|[.-][0-9a-f]{8,}\.js$"
)
_PERHAPS_NAME = re.compile(
    r"(?i)^(socket\.?io|jquery|bootstrap|vue|react|angular|three|phaser|p5|require)"
    r"([.-][\w.-]*)?\.js$|[.-]bundle\.|^(tests?|spec)[._-]|[_-](tests?|specs?|e2e)\.\w+$"
)
_VENDORED_TEXT = re.compile(
    r"/\*!|@license|@preserve|define\.amd|__webpack_require__|webpackJsonp|sourceMappingURL=|"
    r"__esModule|parcelRequire|System\.register\(|\* \(c\) \d{4}"
)
_TEST_TEXT = re.compile(
    r"\b(describe|it|test|suite)(\.\w+)?\(\s*['\"`]|\bexpect\(|\bimport (pytest|unittest)\b|"
    r"['\"](vitest|mocha|chai|node:test|supertest|assert|@jest/|@playwright/|@testing-library/)|"
    r"\bdef test_|\bjest\."
)


@dataclass(frozen=True)
class SourceFile:
    path: Path
    language: str


class Search:
    """The sources below a path, in order; what is `left_out` is not the reader's own code."""

    def __init__(self, root: Path, exclude: Iterable[str] = ()) -> None:
        self.files: list[SourceFile] = []
        self.left_out: list[Skipped] = []
        self.unread: list[Skipped] = []
        self._root = root
        self._ignores = [(root, _patterns(exclude))]
        if root.is_dir():
            self._walk()
        elif language := language_of(root):
            self.files.append(SourceFile(root, language))
        else:
            self.unread.append(Skipped(root.as_posix(), "unknown kind of file"))

    def _walk(self) -> None:
        for folder, directories, names in os.walk(self._root, onerror=self._cannot_open):
            here = Path(folder)
            if ".gitignore" in names:
                with suppress(UnreadableError):
                    self._ignores.append((here, _patterns(read(here / ".gitignore").split("\n"))))
            packaged = not _PACKAGE.isdisjoint((*directories, *names))
            folders = [(name, _what_folder_holds(here / name, packaged)) for name in directories]
            directories[:] = [
                n for n, why in sorted(folders) if not self._leaves(here / n, why, "/")
            ]
            for name in sorted(names):
                self._add(here / name)

    def _cannot_open(self, error: OSError) -> None:
        path = Path(str(error.filename)).as_posix()
        self.unread.append(Skipped(path, f"cannot be read: {error.strerror}"))

    def _leaves(self, path: Path, reason: str, slash: str = "") -> bool:
        reason = reason or ("ignored" if self._is_ignored(path, slash) else "")
        if reason and not path.name.startswith("."):
            self.left_out.append(Skipped(path.as_posix() + slash, reason))
        return bool(reason)

    def _is_ignored(self, path: Path, slash: str) -> bool:
        """Return whether a pattern of a `.gitignore` leaves a path out: the last one decides."""
        for folder, spec in reversed(self._ignores):
            if path.is_relative_to(folder):
                found = spec.check_file(f"{path.relative_to(folder).as_posix()}{slash}").include
                if found is not None:
                    return found
        return False

    def _add(self, path: Path) -> None:
        language = language_of(path)
        if language is None and path.suffix.lower() not in _UNREAD:
            return
        try:
            if path.is_symlink() and not path.resolve().is_relative_to(self._root.resolve()):
                raise UnreadableError("a link to another place")
            if self._leaves(path, self._what_file_is(path)):
                return
            if language is not None:
                self.files.append(SourceFile(path, language))
            elif "socket" in read(path).lower():
                raise UnreadableError(f"{path.suffix} is a kind that is not read")
        except (OSError, RuntimeError, UnreadableError) as error:
            self.unread.append(Skipped(path.as_posix(), str(error)))

    def _what_file_is(self, path: Path) -> str:
        """Return why a file is not the reader's own code; `""` if it is."""
        if _TEST_NAME.search(path.name):
            return "tests"
        if _VENDORED_NAME.search(path.name):
            return "installed"
        folders = path.relative_to(self._root).parts[:-1]
        if _PERHAPS_NAME.search(path.name) or not _PERHAPS.keys().isdisjoint(folders):
            text = read(path)
            if _TEST_TEXT.search(text):
                return "tests"
            if _VENDORED_TEXT.search(text) or is_minified(text):
                return "installed"
        return ""


def _patterns(lines: Iterable[str]) -> GitIgnoreSpec:
    """Return what the lines of a `.gitignore` leave out; what is no pattern leaves nothing out."""
    spec = GitIgnoreSpec([])
    for line in lines:
        with suppress(ValueError):
            spec += GitIgnoreSpec.from_lines([line])
    return spec


def _what_folder_holds(folder: Path, packaged: bool) -> str:
    """Return why a folder is not searched; `""` if it is, as a route called `build` is."""
    name = folder.name
    if name.startswith(".") or name in _INSTALLED or (folder / "pyvenv.cfg").exists():
        return "installed"
    if name in _TESTS:
        return "tests"
    return _PERHAPS.get(name, "") if packaged else ""


def language_of(path: PurePath) -> str | None:
    """Return the language of a file by its extension; None if it is not supported."""
    return LANGUAGES.get(path.suffix.lower())


class UnreadableError(Exception):
    """A file cannot be checked; the text says why. Never leaves the checker."""


def read(path: Path) -> str:
    """Return the text of a source, unless it is too large or binary, or cannot be read."""
    try:
        status = path.stat()
        if not S_ISREG(status.st_mode):
            raise UnreadableError("not a regular file")
        if status.st_size > HUGE:
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

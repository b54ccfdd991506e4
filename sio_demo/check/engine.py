"""Checks one source, or all sources below some paths."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Collection, Iterable
from pathlib import Path, PurePath

from ast_grep_py import SgNode, SgRoot

from ..causes import RULES
from ..errors import UsageError
from .javascript import Entry, check_javascript
from .model import Finding, Report, Skipped
from .modules import ModuleResolver
from .python import check_python
from .shared import word_set
from .sources import (
    LANGUAGES,
    SourceFile,
    UnreadableError,
    find_files,
    is_minified,
    language_of,
    read,
    scripts_of,
    without_templates,
)

ROOT_COMPONENTS = word_set("App.vue app.vue App.svelte +layout.svelte")
_COMMENT = re.compile(r"\s*(//|#|\{?/?\*|<!--)")
_IGNORE = re.compile(r"sio-demo:\s*ignore\[([\w\s,-]+)\]")
_REGISTERS = re.compile(r"\.\s*(on|once|addListener|prependListener|onAny|event|emit)\b|\bio\s*\(")
_RUNS = re.compile(r"\w*[sS]ocket\w*\s*\(|\b(on|use)[A-Z]\w*\s*\(")  # may run code of other files
_NAMED = re.compile(r"ocket|OCKET|io[(.\n]|\.on\(\s*['\"](connect|connect_error|reconnect)['\"]")
_AGAIN = {"javascript": ("tsx",), "typescript": ("tsx",), "tsx": ("typescript",)}
_WITH_SCRIPTS = ("vue", "svelte", "html")


def check_source(text: str, language: str) -> list[Finding]:
    """Check a source that is in memory.

    Parameters
    ----------
    text : str
        The source.
    language : str
        ``"javascript"``, ``"typescript"``, ``"tsx"``, ``"vue"``, ``"svelte"``, ``"html"`` or
        ``"python"``; or a file name with the extension of one.

    Returns
    -------
    list of Finding
        In order of lines.

    Raises
    ------
    UsageError
        The language is unknown, or the source does not parse.
    """
    known = language if language in LANGUAGES.values() else language_of(PurePath(language))
    if known is None:
        choice = ", ".join(sorted(set(LANGUAGES.values())))
        raise UsageError(f"unknown language {language!r}: say one of {choice}, or a file name")
    try:
        return _check(text, known, language)[0]
    except UnreadableError as error:
        raise UsageError(f"{language}: {error}") from None


def check_paths(paths: Iterable[str | Path]) -> Report:
    """Check files, and all sources below directories, without running them.

    Parameters
    ----------
    paths : iterable of str or Path
        Files and directories. Tests, hidden directories, installed packages and build outputs
        below a directory are skipped.

    Raises
    ------
    UsageError
        A path does not exist.
    """
    sources: list[SourceFile] = []
    for root in map(Path, paths):
        if not root.exists():
            raise UsageError(f"there is no {root}: name a file or a directory")
        sources += find_files(root)
    modules = ModuleResolver(sources)
    entries: dict[SourceFile, set[Entry]] = defaultdict(set)
    findings: dict[SourceFile, list[Finding]] = {}
    lines: dict[SourceFile, int] = {}
    skipped: set[Skipped] = set()
    waiting = deque(sources)
    while waiting:
        file = waiting.popleft()
        name = file.path.as_posix()
        try:
            text = read(file.path)
            lines[file] = text.count("\n") + 1
            findings[file], run = _check(text, file.language, name, entries[file])
        except UnreadableError as error:
            skipped.add(Skipped(name, str(error)))
            continue
        for other, entry in modules.files_of(run, file):
            if entry not in entries[other]:  # check it again, knowing this
                entries[other].add(entry)
                if other not in waiting:
                    waiting.append(other)
    found = {finding for of_file in findings.values() for finding in of_file}
    return Report(tuple(sorted(found)), tuple(sorted(skipped)), len(lines), sum(lines.values()))


def _check(
    text: str, language: str, name: str, entries: Collection[Entry] = ()
) -> tuple[list[Finding], list[Entry]]:
    if not entries and not _is_relevant(text, language):
        return [], []
    if is_minified(text):
        raise UnreadableError("minified")
    page = None
    if language in _WITH_SCRIPTS:
        page = scripts_of(text, language)
        root, grammar = _parse_scripts(page.text, page.language, language)
    else:
        root, grammar = _parse(text, language)
    findings: list[Finding] = []
    run: list[Entry] = []

    def report(node: SgNode, rule: str, message: str) -> None:
        start = node.range().start
        where = (name, start.line + 1, start.column + 1, rule)
        findings.append(Finding(*where, f"{message} [{RULES[rule].atlas}]"))

    if language == "python":
        check_python(root, text, report)
    else:
        root_component = PurePath(name).name in ROOT_COMPONENTS
        run = check_javascript(root, text, grammar, report, page, root_component, entries)
    return sorted(f for f in set(findings) if not _silenced(f, text.split("\n"))), run


def _is_relevant(text: str, language: str) -> bool:
    """Return whether any rule could match, so that the source must be parsed.

    All rules need a Socket.IO object: imported, or recognized by `socket` or `io` in its name, or
    by its event `connect`.
    """
    if "socketio" in text or "socket.io" in text:
        return True
    if language == "python":
        return "sio" in text and _REGISTERS.search(text) is not None
    if _NAMED.search(text) is None:
        return False
    return (_REGISTERS.search(text) or _RUNS.search(text)) is not None


def _parse(text: str, language: str) -> tuple[SgNode, str]:
    """Parse a source; JavaScript with type annotations is parsed as TypeScript."""
    broken = None
    for grammar in (language, *_AGAIN.get(language, ())):
        root = SgRoot(text, grammar).root()
        error = next((e for e in root.find_all(kind="ERROR") if not _is_plain_text(e)), None)
        if error is None:
            return root, grammar
        broken = broken or error
    line = broken.range().start.line + 1 if broken else 1
    raise UnreadableError(f"does not parse, near line {line}")


def _is_plain_text(error: SgNode) -> bool:
    """Return whether a syntax error is only an `&` in JSX text, which the grammar rejects."""
    parent = error.parent()
    within = parent.kind() if parent else ""
    return error.text().startswith("&") and within in ("jsx_element", "string")


def _parse_scripts(text: str, grammar: str, language: str) -> tuple[SgNode, str]:
    try:
        return _parse(text, grammar)
    except UnreadableError:
        if language != "html":
            raise
        return _parse(without_templates(text), grammar)


def _silenced(finding: Finding, lines: list[str]) -> bool:
    """Return whether a comment on the finding's line, or alone on the line above, silences it."""
    near = lines[finding.line - 1 : finding.line]
    if finding.line > 1 and _COMMENT.match(lines[finding.line - 2]):
        near.append(lines[finding.line - 2])
    silenced = [
        rule for line in near for match in _IGNORE.findall(line) for rule in match.split(",")
    ]
    return finding.rule in map(str.strip, silenced)

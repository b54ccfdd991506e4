"""Checks one source, or all sources below some paths."""

import re
import tomllib
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from itertools import chain
from pathlib import Path, PurePath

from ast_grep_py import SgNode

from ..causes import RULES
from ..errors import UsageError
from .config import silence
from .javascript import check_javascript
from .javascript.roles import LOCAL
from .javascript.script import Ask, Script
from .javascript.source import Entry, Source
from .model import Finding, Remark, Report, Skipped
from .modules import ModuleResolver
from .pages import Parsed, parse
from .python.rules import check_python
from .shared import ImpatientError, Patience, word_set
from .sources import LANGUAGES, Search, SourceFile, UnreadableError, language_of, read

MESSAGES = tomllib.loads(Path(__file__).with_name("messages.toml").read_text("utf-8"))
ROOT_COMPONENTS = word_set("App.vue app.vue App.svelte +layout.svelte app.component.ts")
_REGISTERS = re.compile(
    r"\.\s*(on|once|addListener|prependListener|onAny|event|emit|subscribe|syncUpdates)\b|\bio\s*\("
)
_PASSED_ON = re.compile(r"\bexport *(?:\*|\{[^}]{0,999}\})[\w ]{0,99}from *['\"]([^'\"\n]+)")
_MOUNTED = word_set(
    "useEffect idMount onMount ngOnInit mounted created constructor( <script onclick="
)
_IMPORTED = re.compile(
    r"(?m)^(?![ \t]*//).*?\b(?:from|require\(|import\()\s{0,9}['\"]([.~@$#\w][^'\"\n]{0,200})"
)
_PAGE = re.compile(r"/(pages|views|screens|routes)/(?!_)|/\+?page\.\w+$")
_CONTROLLER = re.compile(r"\.controller\(\s*['\"](\w+)")
_WHOLE = re.compile(r"<(body|script)\b|\bng-app\b")  # a page
_NAMES_CONTROLLER = re.compile(r"\b(?:ng-)?controller(?:: *['\"]?|=['\"])(\w+)")
_STORE = re.compile(r"\b(actions|mutations)\b")
_ANYWHERE: dict[str, Callable[[Script], object]] = {  # which files may own what nothing imports
    "#page": lambda script: script.classic,
    "#store": lambda script: _STORE.search(script.text),
    "#project": lambda script: True,
}
_CLASS = re.compile(r"(?m)^[ \t]*(?:export (?:default )?)?class (\w+)")
_CALLED = re.compile(r"\b(\w+)\(")
_LEADS_ON = re.compile(r"ocket|\bexport *[*{]")  # else a module leads to no client
_NAMED = re.compile(
    r"ocket|OCKET|io[(.\n]|\.on\(\s{0,99}['\"](connect|connect_error|reconnect)['\"]"
)


def check_source(text: str, language: str) -> list[Finding]:
    """Check a source that is in memory, and return what is found in the order of lines.

    The language is one of ``LANGUAGES``, such as ``"tsx"``; or a file name with its extension.

    Raises UsageError: the language is unknown, or the source does not parse.
    """
    known = language if language in LANGUAGES.values() else language_of(PurePath(language))
    if known is None:
        choice = ", ".join(sorted(set(LANGUAGES.values())))
        raise UsageError(f"unknown language {language!r}: say one of {choice}, or a file name")
    run = _Run(())
    run.check(SourceFile(Path(language), known), text)
    for skipped in run.skipped.values():
        raise UsageError(f"{language}: {skipped.reason.partition(';')[0]}")
    return [*chain(*run.findings.values())]


def check_paths(paths: Iterable[str | Path], exclude: Iterable[str] = ()) -> Report:
    """Check files, and all sources below directories, without running them.

    Tests, hidden directories, installed packages and build outputs below a directory are left
    out, and what patterns as in `.gitignore` `exclude`.

    Raises UsageError: a path does not exist.
    """
    searches = []
    for root in map(Path, paths):
        if not root.exists():
            raise UsageError(f"there is no {root}: name a file or a directory")
        searches.append(Search(root, exclude))
    run = _Run(file for search in searches for file in search.files)
    run.check_all()
    skipped = {*run.skipped.values(), *(file for search in searches for file in search.unread)}
    return Report(
        tuple(sorted(chain(*run.findings.values()))),
        tuple(sorted(skipped)),
        len(run.lines),
        sum(run.lines.values()),
        tuple(sorted({path for search in searches for path in search.left_out})),
        tuple(sorted(chain(*run.remarks.values()))),
    )


class _Run:
    """Checks sources that can run functions of each other; each is parsed once."""

    def __init__(self, files: Iterable[SourceFile]) -> None:
        self._files = dict.fromkeys(files)
        self._modules = ModuleResolver(self._files)
        self._composables = [f for f in self._files if "composables" in f.path.parts]
        self._entries: dict[SourceFile, set[Entry]] = defaultdict(set)
        self._shared = defaultdict[tuple[SourceFile, str], set[tuple[SourceFile, Entry]]](set)
        self._scripts: dict[SourceFile, Script] = {}
        self._defined: dict[str, list[SourceFile]] | None = None  # once all files are checked
        self._later: list[tuple[SourceFile, Entry]] = []
        self._unnamed: dict[SourceFile, str] = {}  # components that may import a client
        self.findings: dict[SourceFile, list[Finding]] = {}
        self.remarks: dict[SourceFile, list[Remark]] = {}
        self.skipped: dict[SourceFile, Skipped] = {}
        self.lines: dict[SourceFile, int] = {}

    def check_all(self) -> None:
        self._check(deque(self._files))
        self._defined = defaultdict(list)
        for owner, script in self._scripts.items():
            functions = [name for name, found in script.functions.items() for _ in found]
            for name in (*functions, *_CLASS.findall(script.text)):
                self._defined[name].append(owner)
        run = (other for file, entry in self._later for other in self._run(file, entry))
        self._check(deque(dict.fromkeys(run)))
        known = {folder for file in self._scripts for folder in (file.path, file.path.parent)}
        self._check(deque(f for f, text in self._unnamed.items() if self._may_lead(f, text, known)))
        for uses in self._shared.values():
            for file, entry in uses:
                listens = [
                    f for f, e in uses if e.when == "listens" and e.event.startswith(entry.event)
                ]
                if entry.when == "removes" and any(self._meet(file, f) for f in listens):
                    self._entries[file].add(replace(entry, when="taken"))
                    self.check(file, read(file.path))

    def _may_lead(self, file: SourceFile, text: str, known: set[Path]) -> bool:
        """Return whether a file imports one of the known ones, or what hands that on."""
        imported = (self._modules.file_of(module, file) for module in _IMPORTED.findall(text))
        near = any(f and not known.isdisjoint((f.path, f.path.parent)) for f in imported)
        called = file.language == "html" and {*_CALLED.findall(text)} & (self._defined or {}).keys()
        return near or bool(called)

    def _meet(self, one: SourceFile, two: SourceFile) -> bool:
        """Return whether components of two files can be on one page."""
        if one == two:  # in a list
            name = re.escape(one.path.stem)
            listed = re.compile(rf"\.map\([^;]{{0,300}}<{name}\b|<{name}\b[^<>]{{0,300}} v-for")
            return any(listed.search(read(user.path)) for user in self._importers[one])
        first, second = self._shown_by(one), self._shown_by(two)
        around = bool(first and second) and None in first | second
        return around or not first.isdisjoint(second)

    def _shown_by(self, file: SourceFile) -> set[SourceFile | None]:
        """Return the pages that show a component; None is what stands around all pages."""
        pages: set[SourceFile | None] = set()
        waiting = [file]
        for shown in waiting:
            name, users = re.escape(shown.path.stem), self._importers[shown]
            routed = re.compile(rf"(element=\{{\s*<|component\w*[=:]\s*\{{?\s*){name}\b")
            page = _PAGE.search(shown.path.as_posix()) or any(
                routed.search(read(user.path)) for user in users
            )
            same = (f for f in self._importers if f and f.path.stem == shown.path.stem)
            below = (shown.path.parent in f.path.parents for f in same if f != shown)
            alive = not any(below)  # else another one replaced it
            pages |= {shown} if page else {None} if alive and not users else set()
            waiting += [] if page else users - {*waiting}
        return pages

    @cached_property
    def _importers(self) -> dict[SourceFile | None, set[SourceFile]]:
        found = defaultdict(set)
        for file in self._files:
            with suppress(UnreadableError):
                for module in filter(LOCAL.match, _IMPORTED.findall(read(file.path))):
                    found[self._modules.file_of(module, file)].add(file)
        return found

    def _check(self, waiting: deque[SourceFile]) -> None:
        while waiting:
            file = waiting.popleft()
            try:
                entries = self.check(file, read(file.path))
            except UnreadableError as error:
                self._skip(file, str(error))
                continue
            run = dict.fromkeys(
                o for entry in dict.fromkeys(entries) for o in self._run(file, entry)
            )
            waiting += (other for other in run if other not in waiting)

    def _run(self, file: SourceFile, entry: Entry) -> list[SourceFile]:
        """Note what a file runs of another, and return that, to check it again."""
        if entry.module in _ANYWHERE and self._defined is None:
            self._later.append((file, entry))
            return []
        other = self._find(entry.module, entry.name, file)
        if other and entry.event:
            self._shared[other, entry.name].add((file, entry))
        elif other and entry not in self._entries[other]:
            self._entries[other].add(entry)
            return [other]
        return []

    def check(self, file: SourceFile, text: str) -> list[Entry]:
        """Check a source, and return what it runs of others."""
        self.lines[file] = text.count("\n") + 1
        found: list[Finding] = []
        run: list[Entry] = []
        try:
            seen = file in self._unnamed
            if seen or self._entries[file] or _is_relevant(text, file.language):
                run = self._apply_rules(file, text, found)
            elif file.language != "python" and any(mark in text for mark in _MOUNTED):
                self._unnamed[file] = text
        except UnreadableError as error:
            self._skip(file, str(error))
        except RecursionError:
            self._skip(file, "nested too deeply")
        except ImpatientError:
            self._skip(file, "takes too long; what was found until then is reported")
        self.findings[file], self.remarks[file] = silence(file.path.as_posix(), text, found)
        return run

    def _skip(self, file: SourceFile, reason: str) -> None:
        self.skipped[file] = Skipped(file.path.as_posix(), reason)
        if ";" not in reason:
            self.lines.pop(file, None)

    def _apply_rules(self, file: SourceFile, text: str, found: list[Finding]) -> list[Entry]:
        lines = text.split("\n")

        def report(node: SgNode, rule: str, message: str, **names: str) -> None:
            start = node.range().start
            said = MESSAGES[rule][message].format(**names)
            where = (file.path.as_posix(), start.line + 1, start.column + 1, rule)
            code = lines[start.line].strip()[:120]
            found.append(Finding(*where, f"{said} [{RULES[rule].atlas}]", code))

        if file.language == "python":
            check_python(self._parse(file, text).root, text, report)
            return []
        script = self._load(file, text)
        script.patience = Patience()
        root = file.path.name in ROOT_COMPONENTS or self._is_made_once(text)
        asker = self._asker(file)
        return check_javascript(Source(script, asker, report, self._entries[file], root))

    def _is_made_once(self, text: str) -> bool:
        """Return whether its controllers of AngularJS are those of whole pages."""
        made, (pages, parts) = {*_CONTROLLER.findall(text)}, self._controllers
        return bool(made) and made.isdisjoint(parts) and bool(made <= pages or parts)

    @cached_property
    def _controllers(self) -> tuple[set[str], set[str]]:
        """The controllers that pages name, and those of routes and of parts of pages."""
        found = set[str](), set[str]()
        for file in self._files:
            with suppress(UnreadableError):
                text = read(file.path)
                found[not _WHOLE.search(text)].update(_NAMES_CONTROLLER.findall(text))
        return found

    def _asker(self, file: SourceFile, depth: int = 3) -> Ask:
        """Return what puts questions of a file to others, which may ask further ones."""

        def ask(question: Callable[..., bool], module: str, name: str) -> bool:
            with suppress(UnreadableError):
                if depth and (other := self._find(module, name, file)) is not None:
                    return question(self._load(other), name, self._asker(other, depth - 1))
            return False

        return ask

    def _find(self, module: str, name: str, near: SourceFile, depth: int = 3) -> SourceFile | None:
        """Return the file of a module, or the one whose function or class it hands on."""
        file = self._modules.file_of(module, near)
        with suppress(UnreadableError):
            name = name.partition(".")[0]
            if module == "#imports" or module in _ANYWHERE:
                return self._nearest(module, name, near)
            if file and file not in self._scripts and not _LEADS_ON.search(read(file.path)):
                return None
            if file and depth and not self._load(file).has(name):
                script = self._load(file)
                imported = (b for b in script.bindings.values() if b.module)
                made = (b.module for b in imported if f"new {b.name}(" in script.text)
                further = [*_PASSED_ON.findall(script.text), *made]
                found = (self._find(other, name, file, depth - 1) for other in further)
                return next((f for f in found if f and self._load(f).has(name)), file)
        return file

    def _nearest(self, module: str, name: str, near: SourceFile) -> SourceFile | None:
        """Return the only file, or the nearest, that defines a function that nothing imports."""
        known = (self._defined or {}).get(name, [])
        owners = [f for f in known if module in _ANYWHERE and _ANYWHERE[module](self._load(f))]
        owners += [f for f in self._composables if module == "#imports" and self._load(f).has(name)]
        owners = [f for f in owners if f.path.name in read(near.path)] or owners
        above = {*near.path.parents}
        shared = [(len(above & {*f.path.parents}), f) for f in owners if f != near]
        most = max((folders for folders, _ in shared), default=0)
        nearest = [f for folders, f in shared if folders == most]
        return nearest[0] if len(nearest) == 1 else None

    def _load(self, file: SourceFile, text: str | None = None) -> Script:
        """Parse a source in JavaScript or TypeScript, once."""
        if file not in self._scripts:
            text = read(file.path) if text is None else text
            self._scripts[file] = Script(self._parse(file, text), text)
        return self._scripts[file]

    def _parse(self, file: SourceFile, text: str) -> Parsed:
        parsed = parse(text, file.language)
        if parsed.broken is not None:
            self._skip(file, f"does not parse, near line {parsed.broken}; the rest is checked")
        return parsed


def _is_relevant(text: str, language: str) -> bool:
    """Return whether a source may use a Socket.IO object, which all rules need."""
    if "socketio" in text or "socket.io" in text or ("@Component(" in text and "Service" in text):
        return True
    if language == "python":
        return "sio" in text and _REGISTERS.search(text) is not None
    return _NAMED.search(text) is not None

"""Which file of a run an import refers to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from .javascript import Entry
from .sources import LANGUAGES, SourceFile

_ALIASES = ("@/", "~/", "~~/", "$lib/", "src/")


class ModuleResolver:
    """Finds the files of a run that imports refer to."""

    def __init__(self, files: Iterable[SourceFile]) -> None:
        self._files = {os.path.abspath(file.path): file for file in files}

    def files_of(
        self, entries: Iterable[Entry], importer: SourceFile
    ) -> Iterator[tuple[SourceFile, Entry]]:
        """Yield the entries whose module is a file of the run, with that file."""
        for entry in entries:
            if (file := self._file_of(entry.module, importer)) not in (None, importer):
                yield file, entry

    def _file_of(self, module: str, importer: SourceFile) -> SourceFile | None:
        for base in _bases(module, os.path.abspath(importer.path)):
            for name in (base, base.removesuffix(".js"), os.path.join(base, "index")):
                for suffix in ("", *LANGUAGES):
                    if found := self._files.get(os.path.normpath(name + suffix)):
                        return found
        return None


def _bases(module: str, importer: str) -> list[str]:
    """Return the paths that a module name can refer to: relative, or below a `src` directory."""
    if module.startswith("."):
        return [os.path.join(os.path.dirname(importer), module)]
    for alias in _ALIASES:
        if module.startswith(alias):
            above = Path(importer).parents
            rest = module.removeprefix(alias)
            return [
                os.path.join(p, folder, rest) for p in above for folder in ("", "src", "src/lib")
            ]
    return []

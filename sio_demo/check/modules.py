"""Which file of a run an import refers to."""

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from .sources import LANGUAGES, SourceFile, UnreadableError, read

_USUAL = ("@/", "~/", "~~/", "$lib/", "src/", "@src/", "#/")
_CONFIG = re.compile(r"([tj]sconfig[\w.-]*|package)\.json|[\w-]+\.config\.[cm]?[jt]s|\.babelrc")
_COMMENT = re.compile(
    r'("(?:[^"\\\n]|\\.)*")|//[^\n]*|/\*[^*]*\*+(?:[^/*][^*]*\*+)*/|,(?=\s*[}\]])'
)
_PLACE = re.compile(r'"(\.[^"\n]{1,200})"')
_ALIAS = re.compile(
    r"""['"]?(?<![\w./])([@~#$\w][\w@~#$/-]{0,60})['"]?\s{0,9}(?::|,\s{0,20}replacement:)"""
    r"""[^'"\n{]{0,120}['"](?:\.?/)?([\w.-][\w./-]{0,200})['"]"""
)


class ModuleResolver:
    def __init__(self, files: Iterable[SourceFile]) -> None:
        self._files = {os.path.abspath(f.path): f for f in files if f.language != "python"}
        self._aliases = cache(_aliases_in)
        self.file_of = cache(self._file_of)

    def _file_of(self, module: str, importer: SourceFile) -> SourceFile | None:
        """Return the file of a module; None if it is none of this run, or the importer itself."""
        for base in self._bases(module, os.path.abspath(importer.path)):
            for name in (base, base.removesuffix(".js"), os.path.join(base, "index")):
                for suffix in ("", *LANGUAGES):
                    found = self._files.get(os.path.normpath(name + suffix))
                    if found not in (None, importer):
                        return found
        return None

    def _bases(self, module: str, importer: str) -> Iterator[str]:
        if module.startswith("."):
            yield os.path.join(os.path.dirname(importer), module)
            return
        above = [str(path) for path in Path(importer).parents]
        for folder in above:
            for alias, place in self._aliases(folder):
                if module == alias or module.startswith(alias + "/" * (alias != "")):
                    yield os.path.join(folder, place, module[len(alias) :].lstrip("/"))
        for alias in _USUAL:
            if module.startswith(alias):
                rest = module.removeprefix(alias)
                yield from (os.path.join(f, s, rest) for f in above for s in ("", "src", "src/lib"))


def _aliases_in(folder: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    with suppress(OSError):
        for name in sorted(filter(_CONFIG.fullmatch, os.listdir(folder))):
            with suppress(UnreadableError, ValueError, AttributeError, TypeError):
                text = read(Path(folder, name))  # whatever is wrong with it, it has no aliases
                found += _from_json(text, folder) if ".json" in name else _ALIAS.findall(text)
    return found


def _from_json(text: str, folder: str, depth: int = 3) -> list[tuple[str, str]]:
    """Return the aliases in JSON: `paths`, all below the `baseUrl`, or `imports` of a package."""
    written = json.loads(_COMMENT.sub(r"\1", text))
    options = written.get("compilerOptions", {})
    base = options.get("baseUrl")
    of_package = {k: _PLACE.findall(json.dumps(v)) for k, v in written.get("imports", {}).items()}
    found = [
        (alias.removesuffix("*").rstrip("/"), os.path.join(folder, base or "", place.split("*")[0]))
        for alias, places in {**options.get("paths", {}), **of_package}.items()
        for place in places
    ]
    for other in _PLACE.findall(json.dumps(written.get("extends"))) if depth else ():
        path = Path(folder, other).with_suffix(".json")
        with suppress(UnreadableError):
            found += _from_json(read(path), str(path.parent), depth - 1)
    return found if base is None else [*found, ("", os.path.join(folder, base))]

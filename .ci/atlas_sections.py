"""Write the index and the sections of notebook 09 from :mod:`sio_demo.causes` and the programs.

The numbers come from the outputs that the notebook has stored: first run it, then this. The code
comes out of the programs themselves; :mod:`sio_demo.atlas.kit` says how it is marked there.
"""

from __future__ import annotations

import inspect
import re
import textwrap
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import nbformat

from sio_demo.atlas import Cause
from sio_demo.causes import BY_THEME
from sio_demo.causes import cause as find
from sio_demo.causes import text as read

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "09_atlas_of_causes.ipynb"
WORDS = Path(__file__).with_name("atlas_index.md")
INDEX, FIRST, LAST = "## 1. What do you see?", "## 4. The causes", "## What you can now do"
COUNTERS = ("listeners", "live sids", "packets", "calls", "effects")
TOGETHER = 4  # causes with one signature, from which on a table tells them apart
Measured = dict[str, tuple[list[int], list[int]]]
SYMPTOMS = {  # what people say when they ask, by heading, and the causes that it can be
    heading: {said: tuple(map(find, letters)) for said, letters in table.items()}
    for heading, table in tomllib.loads(read("symptoms.toml")).items()
}


# --- the code: the reproduction's own lines, without the branch that does not run

MARK = re.compile(r"( *)(#|//) (?:>>>|<<<)(?: (.*))?")
BRANCH = re.compile(r"( *)if \(?(not |!)?fixed(?: and (.+?))?(?:\) \{|:)")
ELSE = re.compile(r" *(?:else:|\} else \{)")
ONE_LINE = re.compile(r"( *if \()fixed && (.+;)")  # JavaScript's, without braces
EITHER = re.compile(
    r"fixed \? (.+?) : (.+?)(?=;$)|\(fixed \? (.+?) : (.+?)\)(?=,$)|"
    r"(?<==)(\w+) if fixed else (\w+)|(?<== )(.+) if fixed else (.+)"
)
COMMENT = re.compile(r"(?:#|//) ")
STARTS = re.compile(r"(?:#|//) |@|(?:async )?def |async function|function")
FOR_READERS = [  # the bench's names, and what only types and linters need
    (r"  # (?:type|noqa).*", ""),
    (r"(?<=\w): (?:dict|list|set|Any|str|int)\b(?:\[[\w, ]+\])?(?=[,)=]| =)", ""),
    (r" -> [\w\[\], ]+:$", ":"),
    (r"(?<=[ (]auth) = (?=\w+\):)", "="),
    (r"\b_(?=sid|environ|reason)", ""),
    (r"\bb\.connect\((\w+)", r"\1.connect(url"),
    (r"\bb\.(?=sio\b)|\beach\.(?=sio\b)", ""),
    (r"\bb\.link\.url\b", "url"),
    (r"^sio = sio$", "from server import sio  # the one that has the clients"),
    (r", transports=\[\"websocket\"\]", ""),
    (r"\bnew_client\(", "socketio.AsyncClient("),
    (r"\{ \.\.\.fast, |(?<=url), fast", lambda match: "{ " if "{" in match[0] else ""),
]


def language(cause: Cause) -> str:
    """Return the language of the lines that are shown: ``"js"`` or ``"python"``."""
    return "js" if any("// >>>" in source for source in _sources(cause)) else "python"


def code(cause: Cause, fixed: bool) -> str:
    """Return the lines of a reproduction that matter, as they run without or with the fix."""
    lines = [line for source in _sources(cause) for line in _shown(source)]
    text = "\n".join(decided(lines, fixed))
    for pattern, words in FOR_READERS:
        text = re.sub(pattern, words, text, flags=re.MULTILINE)
    lines: list[str] = []
    for line in filter(str.strip, text.splitlines()):
        if lines and STARTS.match(line):
            if COMMENT.match(lines[-1]) and COMMENT.match(line):
                lines.pop()  # nothing runs below it
            elif not lines[-1].startswith(("# ", "// ", "@")):
                lines.append("")
        lines.append(line)
    while COMMENT.match(lines[-1]):
        del lines[-2:]
    return "\n".join(lines)


def _sources(cause: Cause) -> list[str]:
    """Return the sources of a program and of what it uses of its module."""
    program = inspect.unwrap(cause.reproduce)
    used = [program.__globals__.get(name) for name in program.__code__.co_names]
    ours = [each for each in used if getattr(each, "__module__", "") == program.__module__]
    helpers = [inspect.getsource(each) for each in ours if inspect.isfunction(each)]
    return [*(each for each in used if isinstance(each, str)), inspect.getsource(program), *helpers]


def _shown(source: str) -> Iterator[str]:
    """Yield the marked lines of a source, each region without its indentation."""
    region: list[str] | None = None
    indent = 0
    for line in [*source.splitlines(), "# <<<"]:
        mark = MARK.fullmatch(line)
        if region is not None and (mark or (line.strip() and _indent(line) < indent)):
            yield from textwrap.dedent("\n".join(region)).splitlines()
            region = None
        if mark and ">>>" in line:
            indent = len(mark[1])
            region = [f"{mark[1]}{mark[2]} {mark[3]}"] if mark[3] else []
        elif region is not None and not line.endswith(" rig"):
            region.append(line)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def decided(lines: list[str], fixed: bool) -> Iterator[str]:
    """Yield the lines that run, with `fixed` decided."""
    rest = iter([*lines, ""])
    line = next(rest, None)
    while line is not None:
        found = BRANCH.fullmatch(line)
        if not found:
            if one := ONE_LINE.fullmatch(line):
                line = one[1] + one[2] if fixed else ""
            line = EITHER.sub(lambda m: next(filter(None, m.groups()[not fixed :: 2])), line)
            line = re.sub(r"\bnot fixed\b", str(not fixed), line)
            yield re.sub(r"\bfixed\b", str(fixed), line)
            line = next(rest, None)
            continue
        indent, negated, more = found.groups()
        branches: list[list[str]] = [[], []]
        at = 0
        while (line := next(rest, None)) is not None:
            if not line.strip() or _indent(line) > len(indent):
                branches[at].append(line)
            elif at == 0 and ELSE.fullmatch(line):
                at = 1
            else:
                break
        if line is not None and line.strip() == "}":
            line = next(rest, None)
        runs = fixed != bool(negated)
        kept = list(decided(branches[not runs], fixed))
        if more and runs:
            yield f"{indent}if {more}:"
            yield from kept
        else:
            yield from textwrap.indent(textwrap.dedent("\n".join(kept)), indent).splitlines()


# --- the numbers: what the notebook has stored


def measured(cells: list[nbformat.NotebookNode]) -> Measured:
    """Return the counters of every cause before and after its fix, from the stored outputs."""
    outputs = [out for cell in cells for out in cell.get("outputs", [])]
    printed = [out.get("text") or out.data.get("text/plain", "") for out in outputs]
    [signatures] = [text for text in printed if f"\n{', '.join(COUNTERS)}:\n" in text]
    [repaired] = [text for text in printed if text.startswith("after the fix")]
    before = dict(re.findall(r"([DL]\d+\w?) (\d(?: \d)+)", signatures))
    after = {
        letter: counts
        for counts, letters in re.findall(r"^(\d(?: \d)+)  (.+)$", repaired, re.MULTILINE)
        for letter in letters.split()
    }
    return {  # a myth has one
        letter: (
            [int(each) for each in before.get(letter, counts).split()],
            [int(each) for each in counts.split()],
        )
        for letter, counts in after.items()
    }


# --- the text


def heading(cause: Cause) -> str:
    """Return the heading of a section."""
    return f"{cause.letter} {cause.title}"


def link(cause: Cause) -> str:
    """Return a link to the section of a cause, as Markdown."""
    return f"[{cause.letter}](#{heading(cause).replace(' ', '-')})"  # as JupyterLab names it


def index() -> str:
    """Return the cell that leads from what people say to the sections and the lessons."""
    also = _words()
    parts = [INDEX, also.pop("")]
    for words, symptoms in SYMPTOMS.items():
        rows = [f"| {said} | {' '.join(map(link, causes))} |" for said, causes in symptoms.items()]
        rows += also.pop(words, "").splitlines()
        parts.append("\n".join([f"| {words} | look at |", "| --- | --- |", *rows]))
    text = "\n\n".join([*parts, *also.values()])
    return re.sub(r"\b[DL]\d+\b(?!\]|-)", lambda letter: link(find(letter[0])), text)


def _words() -> dict[str, str]:
    """Return what the index says beside the causes, by the heading of its table."""
    opening, *tables = re.split(r"^## ", WORDS.read_text("utf-8"), flags=re.MULTILINE)
    return {"": opening.strip()} | {
        heading: text.strip() for heading, text in (table.split("\n", 1) for table in tables)
    }


def section(cause: Cause, counts: tuple[list[int], list[int]] | None) -> str:
    """Return the Markdown that says what is known of a cause, and what it left in the counters."""
    parts = [f"#### {heading(cause)}", f"*{_languages(cause)}.* {cause.symptom}"]
    if cause.reproduce and cause.family != "myth":
        comment = "//" if language(cause) == "js" else "#"
        shown = [
            f"{comment} {when}\n{code(cause, when == 'after')}" for when in ("before", "after")
        ]
        parts += [f"```{language(cause)}\n{text}\n```" for text in shown]
    if counts:
        changes = zip(COUNTERS, *counts, strict=True)
        said = [
            f"{name} {old}" if old == new else f"**{name} {old} → {new}**"
            for name, old, new in changes
        ]
        parts.append(f"Measured: {', '.join(said)}.")
    parts.append(f"**Why.** {cause.mechanism}")
    if cause.family != "myth":
        parts.append(f"**Repair.** {cause.fix}")
    if cause.look:
        parts.append(f"**To be sure.** {cause.look}")
    if cause.reason:
        parts.append(f"**Not reproduced here.** {cause.reason}")
    return "\n\n".join([*parts, " ".join(_sentences(cause))])


def _languages(cause: Cause) -> str:
    concerned = {language(cause)} if cause.reproduce else set()
    if "socket.io-client" in cause.measured_with:
        concerned.add("js")
    if cause.family == "myth":
        concerned = {"js" if "socket.io" in cause.measured_with else "python"}
    concerned |= {
        "js" if each.startswith("socket.io") else "python" for each in cause.also_known_from
    }
    return (
        {"js": "JavaScript", "python": "Python"}["".join(concerned)]
        if len(concerned) == 1
        else ("JavaScript and Python")
    )


def _sentences(cause: Cause) -> Iterator[str]:
    yield f"*Threads:* {', '.join(map(_source, cause.evidence))}."
    if cause.measured_with:
        yield f"*Measured with* {' and '.join(cause.measured_with)}."
    if cause.also_known_from:
        too = " too" if cause.reproduce else ""
        yield f"*Reported for* {' and '.join(cause.also_known_from)}{too}."
    if cause.reproduce:
        file = cause.reproduce.__module__.rpartition(".")[2] + ".py"
        yield f"*Program:* [`{file}`](../sio_demo/atlas/{file})."


def _source(source: str) -> str:
    if source.startswith("https://"):
        return f"[{source.removeprefix('https://').rstrip('/')}]({source})"
    repository, number = source.split("#")
    return f"[{source}](https://github.com/{repository}/issues/{number})"


def group(causes: list[Cause]) -> str:
    """Return the cell above the causes with one signature, and what tells them apart."""
    words = causes[0].group
    parts = [f"### {words[0].upper()}{words[1:]}"]
    if len(causes) >= TOGETHER:
        held = Counter(need for cause in causes for need in cause.signatures[0].needs)
        rows: dict[str, list[Cause]] = {}
        for cause in causes:  # what all hold, or all but one, is left out
            needs = [n.words for n in cause.signatures[0].needs if held[n] < len(causes) - 1]
            rows.setdefault("; ".join(needs), []).append(cause)
        table = [
            f"| {' '.join(map(link, alike))} | {needs or 'none of these'} |"
            for needs, alike in rows.items()
        ]
        parts.append("The counters are the same. Which of these is true of your message?")
        parts.append("\n".join(["| cause | then this holds |", "| --- | --- |", *table]))
    return "\n\n".join(parts)


def sections(numbers: Measured) -> Iterator[str]:
    """Yield the cells of all causes, those with one signature together."""
    seen: set[str] = set()
    for cause in BY_THEME:
        words = MYTHS if cause.family == "myth" else cause.group
        if words and words not in seen:
            seen.add(words)
            yield words if words == MYTHS else group([c for c in BY_THEME if c.group == words])
        yield section(cause, numbers.get(cause.letter))


MYTHS = """### Not a cause

These are suspected often. Measured in the same way, they duplicate nothing and lose nothing. Two
of them have traps of their own: M6 leads to L9 and L20, M7 is not D18."""


def update(cells: list[nbformat.NotebookNode]) -> None:
    """Write the index and every section in their places."""
    numbers = measured(cells)
    starts = [cell.source.partition("\n")[0] for cell in cells]
    cells[starts.index(INDEX)].source = index()
    cells[starts.index(FIRST) + 1 : starts.index(LAST)] = [
        nbformat.v4.new_markdown_cell(text, id=f"atlas-{number:02}")
        for number, text in enumerate(sections(numbers))
    ]


if __name__ == "__main__":
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    update(notebook.cells)
    nbformat.write(notebook, NOTEBOOK)

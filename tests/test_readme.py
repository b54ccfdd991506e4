"""What the README shows is what the project does."""

import base64
import json
import re
from pathlib import Path

from sio_demo import __main__ as command_line
from sio_demo.atlas import CAUSES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_table_of_the_demo_is_what_the_demo_prints(capsys):
    assert command_line.main(["demo"]) == 0
    assert capsys.readouterr().out.strip() in README


def test_the_figure_is_the_one_that_notebook_01_stores():
    notebook = json.loads((ROOT / "notebooks" / "01_reproduce_the_bug.ipynb").read_text())
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    images = [o["data"]["image/png"] for o in outputs if "image/png" in o.get("data", {})]
    figure = (ROOT / "notebooks" / "figures" / "handler_invocations.png").read_bytes()
    assert base64.b64decode("".join(images[-1])) == figure


def test_every_notebook_has_its_line():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert f"(notebooks/{path.name})" in README


def test_every_file_that_it_names_is_there():
    named = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    named += re.findall(r"`(sio_demo/[\w./]+)`", README)
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_it_tells_how_many_causes_the_atlas_has():
    causes = [cause for cause in CAUSES if cause.family != "myth"]
    reproduced = [cause for cause in causes if cause.reproduce]
    assert f"{len(causes)} causes" in README
    assert f"{len(reproduced)} of them reproduced" in README

"""What README, CONTRIBUTING and their like say is what the project has and does."""

import base64
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from sio_demo import __main__ as command_line
from sio_demo.atlas import CAUSES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


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


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_every_file_that_it_names_is_there(name):
    text = (ROOT / name).read_text()
    named = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    named += re.findall(r"(?<![\w./-])((?:sio_demo|tests|notebooks|\.ci)/[\w./]*)", text)
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_room_is_on_the_map():
    rooms = {f"{path.parent.name}/" for path in (ROOT / "sio_demo").glob("*/__init__.py")}
    on_the_map = re.findall(r"^\| `sio_demo/(\w+/)` ", CONTRIBUTING, re.MULTILINE)
    assert sorted(on_the_map) == sorted(rooms)


@pytest.mark.parametrize("command", re.findall(r"`?make (\w+)", README + CONTRIBUTING))
def test_every_target_of_make_that_is_named_is_there(command):
    assert re.search(rf"^{command}: ", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_hooks_and_hosted_tests_run_what_is_there():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    tools = [hook["entry"].split()[0] for hook in hooks]
    assert tools == [".venv/bin/ruff", ".venv/bin/ruff", ".venv/bin/mypy"]
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    pythons = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f">={pythons[0]}" == project["requires-python"]
    assert workflow["jobs"]["test"]["steps"][-1] == {"run": "make test PYTHON=python"}


def test_the_action_for_hosted_checks_writes_what_it_uploads(tmp_path):
    action = ROOT / ".github/actions/check/action.yml"
    install, check, upload = yaml.safe_load(action.read_text())["runs"]["steps"]
    assert install["run"] == 'pip install "${{ github.action_path }}/../../.."'
    assert (action.parent / "../../../pyproject.toml").exists()
    (tmp_path / "a b.js").write_text('socket.on("connect", () => socket.on("news", show));')
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"CHECKED": "a b.js", "PATH": programs}
    subprocess.run(["bash", "-ec", check["run"]], cwd=tmp_path, env=env, check=True)
    [run] = json.loads((tmp_path / upload["with"]["sarif_file"]).read_text())["runs"]
    assert [result["ruleId"] for result in run["results"]] == ["listener-in-connect"]


def test_it_tells_how_many_causes_the_atlas_has():
    causes = [cause for cause in CAUSES if cause.family != "myth"]
    reproduced = [cause for cause in causes if cause.reproduce]
    assert f"{len(causes)} causes" in README
    assert f"{len(reproduced)} of them reproduced" in README

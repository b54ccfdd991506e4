"""Open JupyterLab on the first notebook: python .ci/start_lab.py [ARGUMENTS OF JUPYTER LAB].

Jupyter moves to another port when the one that was asked for is taken. A reader who names a port
waits for an answer on it, so this script refuses instead, and says what to do.
"""

from __future__ import annotations

import argparse
import errno
import os
import socket
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START = "/lab/tree/notebooks/00_start_here.ipynb"


def main(arguments: list[str]) -> None:
    """Replace this process with JupyterLab, or exit with a message."""
    options = [f"--ServerApp.root_dir={ROOT}", f"--LabApp.default_url={START}"]
    address = asked_for(arguments)
    if address.port:
        refusal = refused(address.ip, address.port)
        if refusal:
            sys.exit(
                f"sio-demo: port {address.port} is refused: {refusal}.\n"
                "Remedy: stop the program that has it, name another port, or run 'make lab' "
                "without --port:\nJupyter then takes a free one."
            )
        options.append("--ServerApp.port_retries=0")
    if os.geteuid() == 0:  # as in most containers
        options.append("--allow-root")
    folders = [str(ROOT / ".ci" / "jupyter"), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, folders))
    jupyter = [sys.executable, "-m", "jupyter", "lab", *options, *arguments]
    os.execv(sys.executable, jupyter)


def asked_for(arguments: list[str]) -> argparse.Namespace:
    """Read the port and the address from Jupyter's arguments, in any of its spellings."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--port", "--ServerApp.port", dest="port", type=int, default=0)
    parser.add_argument("--ip", "--ServerApp.ip", dest="ip", default="localhost")
    return parser.parse_known_args(arguments)[0]


def refused(ip: str, port: int) -> str | None:
    """Say why a server cannot listen there; None if it can, or if only Jupyter can tell."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("" if ip == "*" else ip, port))
        except OverflowError:
            return "ports end at 65535"
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return error.strerror
    return None


if __name__ == "__main__":
    main(sys.argv[1:])

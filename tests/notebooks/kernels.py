"""Kernels for tests: they take no TCP port, which another test might have by then."""

from __future__ import annotations

import tempfile
from pathlib import Path

import traitlets
from jupyter_client.manager import KernelManager

FOLDER = tempfile.TemporaryDirectory(prefix="kernels-")  # a short path: a socket's has 104 bytes


class LocalKernelManager(KernelManager):
    """Speaks with its kernel over Unix sockets.

    A TCP port is chosen and freed, and the kernel binds it a second later. Where a server of
    another test has it by then, that one is knocked at, and this one never hears of its kernel.
    """

    transport = traitlets.Unicode("ipc")

    @traitlets.default("ip")
    def _own_folder(self) -> str:
        return str(Path(tempfile.mkdtemp(dir=FOLDER.name), "kernel"))

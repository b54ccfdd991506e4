"""The command line."""

import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version

import psutil
import pytest

from sio_demo import __main__ as command_line
from sio_demo import demo
from sio_demo.errors import NodeMissingError
from sio_demo.lab import node

N_PLUS_1 = [1, 2, 3, 4, 5, 6]
ONCE = [1, 1, 1, 1, 1, 1]
COMMAND = [sys.executable, "-m", "sio_demo"]


def wait_for_children(pid):
    """Wait until a process has started two others."""
    while len(psutil.Process(pid).children(recursive=True)) < 2:
        time.sleep(0.01)


def counts_by_client(text):
    """Read the table that `sio-demo demo` prints."""
    rows = {}
    for name in demo.CLIENTS:
        [line] = [line for line in text.splitlines() if line.startswith(name)]
        rows[name] = [int(number) for number in line.removeprefix(name).split()]
    return rows


def test_demo_prints_the_bug_and_the_fix_for_every_client(capsys):
    assert command_line.main(["demo"]) == 0
    counts = counts_by_client(capsys.readouterr().out)
    appends = ("socket.io-client", "EmitterClient")
    for name, calls in counts.items():
        grows = name.startswith(appends) and "inside" in name
        assert calls == (N_PLUS_1 if grows else ONCE), name


def test_demo_takes_the_number_of_reconnects(capsys):
    assert command_line.main(["demo", "--reconnects", "0"]) == 0
    assert set(map(tuple, counts_by_client(capsys.readouterr().out).values())) == {(1,)}


@pytest.mark.parametrize(
    "arguments", [["dance"], ["demo", "--reconnects", "-1"], ["demo", "--no-browser"]]
)
def test_a_wrong_call_is_refused_with_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main(arguments)
    assert ended.value.code == 2
    assert "usage: sio-demo" in capsys.readouterr().err


@pytest.fixture
def without_node(monkeypatch):
    def nothing():
        raise NodeMissingError("Install Node.js.")

    monkeypatch.setattr(node, "find_node", nothing)


def test_without_node_the_clients_in_python_are_still_measured(capsys, without_node):
    assert command_line.main(["demo", "--reconnects", "1"]) == 1
    said = capsys.readouterr()
    assert said.err == "sio-demo: Install Node.js.\n"
    measured = [line.split()[-2:] for line in said.out.splitlines() if "Client (" in line]
    assert measured == [["1", "2"], ["1", "1"]]
    assert "JavaScript" not in said.out


def test_without_node_the_causes_in_python_are_still_reproduced(capsys, without_node):
    assert command_line.main(["atlas", "D1", "D5"]) == 1
    said = capsys.readouterr()
    assert said.err == "sio-demo: Install Node.js.\n"
    assert [line.split()[:2] for line in said.out.splitlines() if line.startswith("D")] == [
        ["D1", "-"],
        ["D5", "1"],
    ]


def test_the_bare_command_prints_its_help(capsys):
    assert command_line.main([]) == 0
    assert "usage: sio-demo" in capsys.readouterr().out


def test_it_knows_its_version(capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"sio-demo {version('sio-demo')}\n"


def test_shells_can_complete_it():
    script = subprocess.run(
        [*COMMAND, "--print-completion", "bash"], capture_output=True, text=True
    )
    subprocess.run(["bash", "-n"], input=script.stdout, text=True, check=True)
    assert "--reconnects" in script.stdout


def test_a_reader_that_has_seen_enough_is_no_error():
    """As in `sio-demo --help | head`, with more output than a pipe holds."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*COMMAND, "check", "."], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("command", [["demo"], ["chaos", "--seeds", "50"], ["atlas"]])
def test_an_interrupt_ends_it_without_a_traceback(command):
    """Ctrl-C reaches every process of the terminal's group."""
    with subprocess.Popen(
        [*COMMAND, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        if command != ["chaos", "--seeds", "50"]:
            assert process.stdout.readline()  # it is at work
        else:
            wait_for_children(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "")

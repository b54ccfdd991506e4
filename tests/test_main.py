"""The command line."""

import pytest

from sio_demo import __main__ as command_line
from sio_demo import demo
from sio_demo.errors import NodeMissingError

N_PLUS_1 = [1, 2, 3, 4, 5, 6]
ONCE = [1, 1, 1, 1, 1, 1]


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


@pytest.mark.parametrize("arguments", [[], ["dance"], ["demo", "--reconnects", "-1"]])
def test_a_wrong_call_is_refused_with_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main(arguments)
    assert ended.value.code == 2
    assert "usage: sio-demo" in capsys.readouterr().err


def test_what_is_missing_is_said_without_a_traceback(capsys, monkeypatch):
    def nothing(_url):
        raise NodeMissingError("Install Node.js.")

    monkeypatch.setitem(demo.CLIENTS, next(iter(demo.CLIENTS)), nothing)
    assert command_line.main(["demo"]) == 1
    assert capsys.readouterr().err == "sio-demo: Install Node.js.\n"

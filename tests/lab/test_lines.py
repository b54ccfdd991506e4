"""LineSplitter gives the same lines, however the stream is cut into pieces."""

import time

import pytest

from sio_demo.lab.lines import LineSplitter

STREAM = b'{"a": 1}\n\n[\xc3\xa9]\r\nunfinished'


@pytest.mark.parametrize("size", [1, 2, 3, 7, len(STREAM)])
def test_pieces_of_any_size_make_the_same_lines(size):
    splitter = LineSplitter()
    pieces = [STREAM[start : start + size] for start in range(0, len(STREAM), size)]
    lines = [line for piece in pieces for line in splitter.feed(piece)]
    assert lines == [b'{"a": 1}', b"", b"[\xc3\xa9]\r"]
    assert splitter.feed(b" now\nmore") == [b"unfinished now"]


def test_nothing_completes_nothing():
    assert LineSplitter().feed(b"") == []


def test_a_long_line_in_many_pieces_takes_linear_time():
    """8 MB in pieces of 64 bytes: searched over and over it would take minutes."""
    splitter = LineSplitter()
    start = time.process_time()
    for _ in range(125_000):
        assert splitter.feed(b"x" * 64) == []
    assert [len(line) for line in splitter.feed(b"\n")] == [8_000_000]
    assert time.process_time() - start < 5

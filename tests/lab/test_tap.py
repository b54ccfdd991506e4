"""The tap keeps what passed, within bounds, and tells those who wait for a packet."""

import asyncio
import gc
import tracemalloc

import pytest
from lab_kit import REQUEST, request, response_101, sender

from sio_demo.errors import NotSeenError, UsageError
from sio_demo.lab import tap as tap_module
from sio_demo.lab.packet import TO_CLIENT, TO_SERVER, Packet
from sio_demo.lab.tap import Chunk, Expectation, Tap
from sio_demo.lab.wire import Conversation


def conversation(tap, connection):
    """Give the conversation on a connection, which a link would keep."""
    kept = vars(tap).setdefault("conversations", {})
    return kept.setdefault(connection, Conversation(connection))


def note(tap, data, connection=1, direction=TO_SERVER):
    chunk = Chunk(data, conversation(tap, connection), direction)
    tap.note(chunk)
    return chunk


def post(*packets):
    """Give a long-polling request with packets in it."""
    return request("POST", "\x1e".join(packets))


def names(tap):
    return [packet.event or packet.name for packet in tap.packets]


def packet(name, direction=TO_CLIENT):
    return Packet(direction, "EVENT", event=name)


def watch(tap, wanted, direction=None, timeout=1):
    expectation = Expectation(wanted, direction, timeout)
    tap.watch(expectation)
    return expectation


# --- recording ----------------------------------------------------------------------------


def test_bytes_are_decoded_when_somebody_looks_in_the_order_in_which_they_passed():
    tap = Tap()
    note(tap, REQUEST, connection=1)
    note(tap, post('42["a"]'), connection=2)
    note(tap, response_101(), connection=1, direction=TO_CLIENT)
    note(tap, bytes(sender(TO_CLIENT).send_data('42["b"]')), connection=1, direction=TO_CLIENT)
    assert [(p.order, p.connection, p.event) for p in tap.packets] == [(1, 2, "a"), (2, 1, "b")]
    note(tap, bytes(sender(TO_CLIENT).send_data('42["c"]')), connection=1, direction=TO_CLIENT)
    assert [p.order for p in tap.packets] == [1, 2, 3]
    assert names(tap) == ["a", "b", "c"]


def test_reading_piece_by_piece_comes_after_what_is_still_unread():
    tap = Tap()
    note(tap, post('42["a"]', '42["b"]'), connection=1)
    pieces = list(tap.read(Chunk(post('42["c"]'), Conversation(2), TO_SERVER)))
    assert b"".join(piece.data for piece in pieces) == post('42["c"]')
    assert names(tap) == ["a", "b", "c"]


@pytest.mark.parametrize("looked", [False, True])
def test_what_was_lost_is_marked_whether_it_was_decoded_before_or_not(looked):
    tap = Tap()
    chunk = note(tap, post('42["a"]', '42["b"]'))
    note(tap, post('42["c"]'), connection=2)
    if looked:
        assert [p.delivered for p in tap.packets] == [True, True, True]
    chunk.lose()
    assert [p.delivered for p in tap.packets] == [False, False, True]


def test_the_last_2000_packets_are_kept():
    tap = Tap()
    for number in range(250):
        note(tap, post(*(f'42["e{number}_{n}"]' for n in range(10))), connection=number)
    packets = tap.packets
    assert (len(packets), packets[0].event, packets[-1].event) == (2000, "e50_0", "e249_9")
    assert (packets[0].order, packets[-1].order) == (501, 2500)


def test_connections_that_nobody_reads_are_small():
    """10,000 of them kept 32 MB, nearly all of it parsers that had parsed nothing."""
    tap = Tap()
    tracemalloc.start()
    for number in range(100):
        note(tap, b"x", connection=number)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 100 * 1000


def test_too_many_unread_bytes_are_dropped_and_their_connections_named(monkeypatch):
    monkeypatch.setattr(tap_module, "UNDECODED_BYTES_KEPT", 100_000)
    tap = Tap()
    note(tap, post('42["a"]'), connection=1)
    note(tap, post('42["big","' + "x" * 150_000 + '"]'), connection=2)
    note(tap, post('42["b"]'), connection=1)
    note(tap, post('42["c"]'), connection=3)
    assert names(tap) == ["undecoded", "undecoded", "c"]
    assert "connection 1: too many bytes passed unread" in tap.packets[0].data
    more = Chunk(b"more", conversation(tap, 2), TO_SERVER)
    assert [piece.data for piece in tap.read(more)] == [b"more"]
    assert names(tap) == ["undecoded", "undecoded", "c"]
    note(tap, post('42["d"]'), connection=4)
    assert names(tap)[-1] == "d"


def test_small_chunks_count_for_what_they_take(monkeypatch):
    monkeypatch.setattr(tap_module, "UNDECODED_BYTES_KEPT", 100_000)
    tap = Tap()
    for _ in range(1000):
        note(tap, b"G")
    assert names(tap) == ["undecoded"]


def test_reading_frees_what_was_unread(monkeypatch):
    monkeypatch.setattr(tap_module, "UNDECODED_BYTES_KEPT", 100_000)
    tap = Tap()
    for number in range(1, 6):
        note(tap, post('42["news","' + "x" * 60_000 + '"]'), connection=number)
        assert names(tap) == ["news"] * number


def conversations():
    """Count those in memory: another test may have left some."""
    gc.collect()
    return sum(isinstance(o, Conversation) for o in gc.get_objects())


@pytest.mark.parametrize("looked", [False, True])
def test_connections_that_are_over_leave_nothing_behind_but_their_packets(looked):
    before = conversations()
    tap = Tap()
    for number in range(50):
        note(tap, post('42["news"]'), connection=number)
        if looked:
            assert tap.packets
        del tap.conversations[number]
    assert names(tap) == ["news"] * 50
    assert conversations() <= before


# --- expectations -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "direction", "found"),
    [
        ("pay", None, 1),
        ("EVENT", None, 0),
        ("pay", TO_SERVER, 2),
        (lambda p: p.direction == TO_SERVER, None, 2),
        (lambda p: True, TO_SERVER, 2),
        ("ACK", None, None),
        ("pay", "server→client", 1),
    ],
)
async def test_an_expectation_gets_the_first_packet_that_is_wanted(wanted, direction, found):
    packets = [packet("news"), packet("pay"), packet("pay", TO_SERVER)]
    tap = Tap()
    expectation = watch(tap, wanted, direction)
    tap.tell(packets)
    assert expectation.met == (found is not None)
    if found is not None:
        assert await expectation is packets[found]
        await asyncio.sleep(0)
        assert tap.expectations == []


async def test_an_error_in_the_callers_function_reaches_the_caller_only():
    tap = Tap()
    broken, sound = watch(tap, lambda p: p.data["x"]), watch(tap, "pay")
    pay = packet("pay")
    tap.tell([pay])
    assert await sound is pay
    with pytest.raises(TypeError):
        await broken
    assert tap.expectations == []


async def test_an_expectation_tells_what_did_not_come_and_why():
    tap = Tap()
    for wanted, direction, words in (
        ("pay", TO_SERVER, "No packet 'pay' client→server passed in 0.01 s"),
        ("pay", None, "No packet 'pay' passed in 0.01 s"),
        (lambda p: True, None, "No packet of the wanted kind passed in 0.01 s"),
    ):
        expectation = watch(tap, wanted, direction, timeout=0.01)
        for _ in range(2):
            with pytest.raises(NotSeenError, match=words) as error:
                await expectation
            assert "link.packets" in str(error.value)
        assert not expectation.met
    await asyncio.sleep(0)
    assert tap.expectations == []


async def test_an_expectation_that_was_ended_says_so():
    tap = Tap()
    dismissed, cancelled = watch(tap, "a"), watch(tap, "b")
    cancelled.cancel()
    tap.dismiss()
    with pytest.raises(NotSeenError, match="before the wait was ended"):
        await cancelled
    with pytest.raises(NotSeenError, match="before the link closed"):
        await dismissed


async def test_an_expectation_may_be_awaited_again_and_by_several():
    tap = Tap()
    expectation = watch(tap, "pay")
    waiting = [asyncio.create_task(asyncio.wait_for(expectation, 1)) for _ in range(2)]
    await asyncio.sleep(0)
    assert not expectation.met
    pay = packet("pay")
    tap.tell([pay])
    assert expectation.met
    assert await asyncio.gather(*waiting) == [pay, pay]
    assert await expectation is pay


async def test_a_waiting_task_may_be_cancelled_and_the_expectation_stays():
    tap = Tap()
    expectation = watch(tap, "pay")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(expectation, 0.01)
    pay = packet("pay")
    tap.tell([pay])
    assert await expectation is pay


async def test_a_packet_is_wanted_by_name_or_by_a_function():
    async def coroutine(packet):
        return True

    for wanted in (None, 3, b"pay", ["pay"], coroutine):
        with pytest.raises(UsageError, match="a function of a packet that returns a bool"):
            Expectation(wanted, None, 1)

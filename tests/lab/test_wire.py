"""Conversation finds the packets in the bytes of a connection, and gives every byte back.

The bytes are made by the same sans-I/O libraries in the opposite roles: see lab_kit.py.
"""

import gzip
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab_kit import DEFLATE, REQUEST, request, response, response_101, sender

from sio_demo.lab.packet import TO_CLIENT, TO_SERVER
from sio_demo.lab.wire import Conversation


def feed(conversation, direction, data):
    """Feed bytes, check that the pieces are the same bytes, and give the packets."""
    fed = list(conversation.feed(direction, data))
    assert b"".join(piece for piece, _ in fed) == data
    return [packet for _, packets in fed for packet in packets]


def upgraded(extensions=""):
    """Give a conversation whose WebSocket handshake is over."""
    conversation = Conversation()
    assert feed(conversation, TO_SERVER, REQUEST) == []
    assert feed(conversation, TO_CLIENT, response_101(extensions)) == []
    return conversation


def events(packets):
    return [packet.event for packet in packets]


def only(packets):
    [packet] = packets
    return packet


# --- WebSocket ---------------------------------------------------------------------------


@pytest.mark.parametrize("direction", [TO_SERVER, TO_CLIENT])
@pytest.mark.parametrize("length", [0, 1, 100, 125, 126, 127, 1000, 65_535, 65_536, 200_000])
def test_frames_of_every_length_are_read_masked_or_not(direction, length):
    data = bytes(sender(direction).send_data(f'42["news","{"x" * length}"]'))
    packet = only(feed(upgraded(), direction, data))
    assert (packet.direction, packet.transport) == (direction, "websocket")
    assert packet.data == ["x" * length]


def test_several_frames_in_one_chunk_give_a_piece_each():
    frames = sender(TO_CLIENT)
    sent = [bytes(frames.send_data(f'42["e{n}"]')) for n in range(4)]
    fed = list(upgraded().feed(TO_CLIENT, b"".join(sent)))
    assert [piece for piece, _ in fed] == sent
    assert [events(packets) for _, packets in fed] == [["e0"], ["e1"], ["e2"], ["e3"]]


@pytest.mark.parametrize("extensions", ["", DEFLATE])
@pytest.mark.parametrize("direction", [TO_SERVER, TO_CLIENT])
def test_bytes_may_come_one_by_one(direction, extensions):
    frames, conversation = sender(direction, extensions), upgraded(extensions)
    text = f'42["é","{"y" * 300}"]'
    data = bytes(frames.send_data(text) + frames.ping(b"hello") + frames.send_data("2"))
    packets = [p for byte in data for p in feed(conversation, direction, bytes([byte]))]
    assert [packet.name for packet in packets] == ["EVENT", "ping"]
    assert packets[0].event == "é"


def test_a_packet_comes_with_the_piece_that_completes_it():
    data = bytes(sender(TO_SERVER).send_data('42["news"]'))
    conversation = upgraded()
    assert feed(conversation, TO_SERVER, data[:-1]) == []
    assert events(feed(conversation, TO_SERVER, data[-1:])) == ["news"]


def test_the_response_101_and_the_first_frames_may_share_a_chunk():
    conversation = Conversation()
    feed(conversation, TO_SERVER, REQUEST)
    frames = sender(TO_CLIENT)
    first, second = bytes(frames.send_data("0{}")), bytes(frames.send_data('42["news"]'))
    fed = list(conversation.feed(TO_CLIENT, response_101() + first + second))
    assert [piece for piece, _ in fed] == [response_101(), first, second]
    assert [[packet.name for packet in packets] for _, packets in fed] == [[], ["open"], ["EVENT"]]


def test_the_handshake_may_come_in_any_pieces():
    conversation = Conversation()
    for byte in REQUEST:
        assert feed(conversation, TO_SERVER, bytes([byte])) == []
    for byte in response_101():
        assert feed(conversation, TO_CLIENT, bytes([byte])) == []
    assert events(feed(conversation, TO_CLIENT, sender(TO_CLIENT).send_data('42["a"]'))) == ["a"]


def test_fragments_make_one_message_and_control_frames_pass_in_between():
    frames = sender(TO_SERVER)
    data = bytes(
        frames.send_data('42["ne', fin=False)
        + frames.ping()
        + frames.send_data("", fin=False)
        + frames.pong()
        + frames.send_data('ws"]')
    )
    assert events(feed(upgraded(), TO_SERVER, data)) == ["news"]


def test_a_binary_event_is_put_together_from_binary_frames():
    frames = sender(TO_CLIENT)
    text = '452-["file",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    data = frames.send_data(text)
    data += frames.send_data(b"ab", fin=False) + frames.send_data(b"c") + frames.send_data(b"")
    packet = only(feed(upgraded(), TO_CLIENT, bytes(data)))
    assert (packet.name, packet.data) == ("BINARY_EVENT", [b"abc", b""])


@pytest.mark.parametrize("direction", [TO_SERVER, TO_CLIENT])
@pytest.mark.parametrize(
    "extensions",
    [
        DEFLATE,
        f"{DEFLATE}; client_no_context_takeover; server_no_context_takeover",
        f"{DEFLATE}; server_no_context_takeover; client_max_window_bits=10",
        f"{DEFLATE}; client_max_window_bits=9; server_max_window_bits=12",
    ],
)
def test_permessage_deflate_is_inflated(direction, extensions):
    frames, conversation = sender(direction, extensions), upgraded(extensions)
    for number in range(3):
        data = bytes(frames.send_data(f'42["news","{"abc" * 200}",{number}]'))
        assert len(data) < 100
        assert only(feed(conversation, direction, data)).data == ["abc" * 200, number]


def test_messages_left_uncompressed_pass_between_compressed_ones():
    frames, conversation = sender(TO_CLIENT, DEFLATE), upgraded(DEFLATE)
    data = bytes(frames.send_data('42["a"]') + sender(TO_CLIENT).send_data('42["b"]'))
    assert events(feed(conversation, TO_CLIENT, data)) == ["a", "b"]


def test_a_close_frame_is_a_packet_and_bytes_behind_it_are_named_once():
    frames, conversation = sender(TO_SERVER), upgraded()
    closing = bytes(frames.close(1000, "bye"))
    assert only(feed(conversation, TO_SERVER, closing)).name == "close"
    more = bytes(frames.send_data('42["a"]') * 3)
    assert only(feed(conversation, TO_SERVER, more)).data == "bytes behind the close frame"
    assert feed(conversation, TO_SERVER, more) == []


def test_each_direction_goes_on_when_the_other_is_closed():
    conversation = upgraded()
    feed(conversation, TO_SERVER, bytes(sender(TO_SERVER).close()))
    assert events(feed(conversation, TO_CLIENT, sender(TO_CLIENT).send_data('42["a"]'))) == ["a"]


@pytest.mark.parametrize(
    "extensions",
    [
        "x-unheard-of",
        f"{DEFLATE}, x-unheard-of",
        f"{DEFLATE}-2",
        f"{DEFLATE}; server_max_window_bits=8",
        f"{DEFLATE}; server_max_window_bits",
    ],
)
@pytest.mark.parametrize("direction", [TO_SERVER, TO_CLIENT])
def test_an_unknown_extension_is_named_once_in_each_direction(direction, extensions):
    conversation = upgraded(extensions)
    data = bytes(sender(direction).send_data('42["news"]') * 2)
    named = only(feed(conversation, direction, data))
    assert (named.name, named.transport) == ("undecoded", "websocket")
    assert named.data == f"extension not understood: {extensions}"
    assert feed(conversation, direction, data) == []


@pytest.mark.parametrize(
    ("direction", "data"),
    [
        (TO_SERVER, bytes(sender(TO_CLIENT).send_data("2"))),
        (TO_CLIENT, bytes(sender(TO_SERVER).send_data("2"))),
        (TO_CLIENT, b"\xc1\x012"),  # nobody agreed to compress
        (TO_CLIENT, b"\xa1\x012"),
        (TO_CLIENT, b"\x8f\x00"),
        (TO_CLIENT, b"\x81\x01\xff"),
    ],
    ids=["not masked", "masked", "compressed", "a reserved bit", "no such opcode", "not UTF-8"],
)
def test_bytes_that_are_no_frames_are_named_once(direction, data):
    conversation = upgraded()
    named = only(feed(conversation, direction, data))
    assert named.data.startswith("not a WebSocket frame: ")
    assert feed(conversation, direction, data + data) == []


def test_a_message_that_is_no_packet_is_named_and_the_next_is_read():
    frames = sender(TO_CLIENT)
    data = bytes(frames.send_data("hello") + frames.send_data('42{"0":1}'))
    data += bytes(frames.send_data(b"\x82\xa4") + frames.send_data('42["news"]'))
    packets = feed(upgraded(), TO_CLIENT, data)
    assert [packet.name for packet in packets] == ["undecoded"] * 3 + ["EVENT"]
    assert packets[2].data == "2 bytes that no packet announced"


# --- long-polling ------------------------------------------------------------------------


def test_long_polling_is_read_over_many_cycles_of_one_connection():
    conversation = Conversation()
    for number in range(3):
        posted = feed(conversation, TO_SERVER, request("POST", f'42["up",{number}]\x1e3'))
        assert [packet.name for packet in posted] == ["EVENT", "pong"]
        assert feed(conversation, TO_CLIENT, response("OK")) == []
        assert feed(conversation, TO_SERVER, request()) == []
        polled = feed(conversation, TO_CLIENT, response(f'2\x1e42["down",{number}]\x1e6'))
        assert [packet.name for packet in polled] == ["ping", "EVENT", "noop"]
        assert (polled[1].transport, polled[1].data) == ("polling", [number])


@pytest.mark.parametrize("answer", ["ok", "OK", ""])
def test_the_answer_to_a_post_is_no_packet(answer):
    conversation = Conversation()
    feed(conversation, TO_SERVER, request("POST", "1"))
    assert feed(conversation, TO_CLIENT, response(answer)) == []


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_compressed_responses_are_inflated(encoding, compress):
    conversation = Conversation()
    feed(conversation, TO_SERVER, request())
    data = response(compress(b'42["news"]'), encoding=encoding)
    assert events(feed(conversation, TO_CLIENT, data)) == ["news"]
    feed(conversation, TO_SERVER, request())
    assert events(feed(conversation, TO_CLIENT, response('42["plain"]'))) == ["plain"]


def test_attachments_in_base64_follow_in_the_same_payload_or_in_the_next():
    text = '451-["file",{"_placeholder":true,"num":0}]'
    conversation = Conversation()
    posted = only(feed(conversation, TO_SERVER, request("POST", f"{text}\x1ebAAE=")))
    assert posted.data == [b"\x00\x01"]
    feed(conversation, TO_CLIENT, response("ok"))
    feed(conversation, TO_SERVER, request())
    assert feed(conversation, TO_CLIENT, response(text)) == []
    feed(conversation, TO_SERVER, request())
    assert only(feed(conversation, TO_CLIENT, response("bAAE="))).data == [b"\x00\x01"]


def test_chunked_and_continued_messages_are_read():
    conversation = Conversation()
    head = b"POST /socket.io/?EIO=4 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
    feed(conversation, TO_SERVER, head + b"Transfer-Encoding: chunked\r\n\r\n")
    feed(conversation, TO_CLIENT, b"HTTP/1.1 100 Continue\r\n\r\n")
    assert feed(conversation, TO_SERVER, b'5\r\n42["n\r\n') == []
    assert events(feed(conversation, TO_SERVER, b'5\r\news"]\r\n0\r\n\r\n')) == ["news"]


def test_polling_turns_into_a_websocket_on_the_same_connection():
    conversation = Conversation()
    feed(conversation, TO_SERVER, request(target="/socket.io/?transport=polling&EIO=4"))
    assert only(feed(conversation, TO_CLIENT, response("0{}"))).name == "open"
    feed(conversation, TO_SERVER, REQUEST)
    feed(conversation, TO_CLIENT, response_101())
    probe = only(feed(conversation, TO_SERVER, bytes(sender(TO_SERVER).send_data("2probe"))))
    assert (probe.name, probe.data, probe.transport) == ("ping", "probe", "websocket")


def test_a_refused_upgrade_is_named_and_the_connection_goes_on_in_http():
    conversation = Conversation()
    feed(conversation, TO_SERVER, REQUEST)
    refused = only(feed(conversation, TO_CLIENT, response('"Invalid session x"', "400 BAD")))
    assert refused.data == 'HTTP 400: "Invalid session x"'
    assert events(feed(conversation, TO_SERVER, request("POST", '42["a"]'))) == ["a"]


@pytest.mark.parametrize("target", ["/", "/favicon.ico?a=1", "//[", "/?XEIO=4"])
def test_http_outside_engineio_is_named(target):
    conversation = Conversation()
    asked = only(feed(conversation, TO_SERVER, request("POST", "42[]", target)))
    answered = only(feed(conversation, TO_CLIENT, response(b"\xff\x00")))
    assert asked.data == answered.data == f"HTTP outside Engine.IO: {target}"
    assert events(feed(conversation, TO_SERVER, request("POST", '42["a"]'))) == ["a"]


@pytest.mark.parametrize(
    ("body", "encoding"), [(b"\xff", ""), (b"42", "gzip"), (b"42", "deflate"), (b"\x8b\x01", "br")]
)
def test_a_body_that_cannot_be_read_is_named(body, encoding):
    conversation = Conversation()
    feed(conversation, TO_SERVER, request())
    named = only(feed(conversation, TO_CLIENT, response(body, encoding=encoding)))
    assert (named.name, named.transport) == ("undecoded", "polling")
    assert "bytes of body" in named.data


def test_bytes_that_are_no_http_are_named_once_and_given_back():
    conversation = Conversation()
    tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
    assert only(feed(conversation, TO_SERVER, tls)).data.startswith("not HTTP: ")
    assert feed(conversation, TO_SERVER, tls) == []
    assert feed(conversation, TO_CLIENT, b"HTTP/1.1 200 OK\r\n\r\n") == []


# --- properties --------------------------------------------------------------------------


def recorded(extensions=""):
    """Give a whole session as (direction, bytes): polling, upgrade, frames both ways."""
    to_server, to_client = sender(TO_SERVER, extensions), sender(TO_CLIENT, extensions)
    attachment = '451-["file",{"_placeholder":true,"num":0}]'
    return [
        (TO_SERVER, request()),
        (TO_CLIENT, response("0{}")),
        (TO_SERVER, request("POST", "40\x1e" + attachment + "\x1ebAAE=")),
        (TO_CLIENT, response("OK")),
        (TO_SERVER, REQUEST),
        (TO_CLIENT, response_101(extensions)),
        (TO_SERVER, bytes(to_server.send_data("2probe") + to_server.send_data("5"))),
        (TO_CLIENT, bytes(to_client.send_data("3probe") + to_client.send_data('42["a"]'))),
        (TO_SERVER, bytes(to_server.send_data(attachment) + to_server.send_data(bytes(70_000)))),
        (TO_CLIENT, bytes(to_client.send_data('42["b","%s"]' % ("z" * 500)) + to_client.close())),
    ]


EXPECTED = ["open", "CONNECT", "BINARY_EVENT", "ping", "upgrade"]
EXPECTED += ["pong", "EVENT", "BINARY_EVENT", "EVENT", "close"]


@given(st.sampled_from(["", DEFLATE]), st.lists(st.integers(1, 9) | st.integers(10, 100_000)))
def test_packets_and_bytes_are_the_same_however_the_stream_is_chunked(extensions, sizes):
    conversation, packets = Conversation(), []
    sizes = iter(sizes)
    for direction, data in recorded(extensions):
        while data:
            size = next(sizes, len(data))
            packets += feed(conversation, direction, data[:size])
            data = data[size:]
    assert [packet.name for packet in packets] == EXPECTED


@pytest.mark.parametrize("seed", range(300))
def test_no_bytes_raise_or_get_lost_however_they_are_garbled(seed):
    chance = random.Random(seed)
    conversation = Conversation()
    for direction, data in recorded(chance.choice(["", DEFLATE])):
        garbled = bytearray(data)
        for _ in range(chance.choice([0, 0, 0, 1, 5])):
            garbled[chance.randrange(len(garbled))] = chance.randrange(256)
        feed(conversation, direction, bytes(garbled))
        if chance.random() < 0.1:
            feed(conversation, direction, chance.randbytes(chance.randrange(200)))


def test_no_bytes_are_no_end_of_the_stream():
    conversation = Conversation()
    assert feed(conversation, TO_SERVER, b"") == []
    assert events(feed(conversation, TO_SERVER, request("POST", '42["a"]'))) == ["a"]


def test_pieces_end_behind_frames_only():
    frames = sender(TO_SERVER)
    sent = [bytes(frames.send_data("x" * n)) for n in (0, 1, 125, 126, 65_535, 65_536)]
    assert [piece for piece, _ in upgraded().feed(TO_SERVER, b"".join(sent))] == sent

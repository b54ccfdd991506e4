"""PacketDecoder gives what Engine.IO packets carry, and names what it cannot read."""

import pytest
from engineio.packet import Packet as EngineIOPacket
from hypothesis import given
from hypothesis import strategies as st
from socketio.packet import Packet as SocketIOPacket

from sio_demo.lab.packet import TO_CLIENT, TO_SERVER, Packet, PacketDecoder, undecoded


def decode(*encoded):
    """Feed Engine.IO packets one after the other, and give all that comes out."""
    decoder = PacketDecoder(TO_CLIENT, "websocket")
    return [packet for each in encoded for packet in decoder.feed(each)]


@pytest.mark.parametrize(
    ("encoded", "name", "data"),
    [
        ('0{"sid":"x","pingInterval":25000}', "open", {"sid": "x", "pingInterval": 25000}),
        ("1", "close", None),
        ("2", "ping", None),
        ("2probe", "ping", "probe"),
        ("3probe", "pong", "probe"),
        ("5", "upgrade", None),
        ("6", "noop", None),
    ],
)
def test_engineio_packets_have_small_names(encoded, name, data):
    [packet] = decode(encoded)
    assert (packet.name, packet.data, packet.event) == (name, data, None)


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        ("40", ("CONNECT", None, None, "/", None)),
        ('40{"sid":"x"}', ("CONNECT", None, None, "/", {"sid": "x"})),
        ('40/admin,{"token":1}', ("CONNECT", None, None, "/admin", {"token": 1})),
        ("41", ("DISCONNECT", None, None, "/", None)),
        ("41/admin,", ("DISCONNECT", None, None, "/admin", None)),
        ('42["news",1,{"a":[2]}]', ("EVENT", "news", None, "/", [1, {"a": [2]}])),
        ('4212["news"]', ("EVENT", "news", 12, "/", [])),
        ('42/admin,7["é",null]', ("EVENT", "é", 7, "/admin", [None])),
        ('430["ok",2]', ("ACK", None, 0, "/", ["ok", 2])),
        ("43/admin,5[]", ("ACK", None, 5, "/admin", [])),
        ('44{"message":"no"}', ("CONNECT_ERROR", None, None, "/", {"message": "no"})),
        ('450-["news",1]', ("BINARY_EVENT", "news", None, "/", [1])),
    ],
)
def test_socketio_packets_are_read_with_event_id_and_namespace(encoded, expected):
    [packet] = decode(encoded)
    found = (packet.name, packet.event, packet.id, packet.namespace, packet.data)
    assert found == expected


def test_a_binary_event_is_given_with_its_last_attachment():
    text = '452-/a,3["file",{"_placeholder":true,"num":1},{"x":{"_placeholder":true,"num":0}}]'
    assert decode(text) == []
    assert decode(text, b"zero") == []
    [packet] = decode(text, b"zero", b"one")
    assert (packet.name, packet.event, packet.id, packet.namespace) == (
        "BINARY_EVENT",
        "file",
        3,
        "/a",
    )
    assert packet.data == [b"one", {"x": b"zero"}]


def test_attachments_may_come_in_base64_and_between_pings():
    encoded = '461-8[{"_placeholder":true,"num":0}]'
    ping, ack = decode(encoded, "2", "b/wA=")
    assert (ping.name, ack.name, ack.id, ack.data) == ("ping", "BINARY_ACK", 8, [b"\xff\x00"])


LEAVES = st.none() | st.booleans() | st.integers() | st.text() | st.binary()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=9
)


@given(st.text(), st.lists(VALUES), st.none() | st.integers(0, 10**9), st.sampled_from(["/", "/a"]))
def test_what_python_socketio_encodes_is_decoded(event, data, id, namespace):
    sent = SocketIOPacket(data=[event, *data], id=id, namespace=namespace).encode()
    text, *attachments = sent if isinstance(sent, list) else [sent]
    [packet] = decode(EngineIOPacket(4, text).encode(), *attachments)
    assert (packet.event, packet.data) == (event, data)
    assert (packet.id, packet.namespace) == (id, namespace)


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        ("", "not Engine.IO: ValueError"),
        ("x", "not Engine.IO: ValueError"),
        ("9", "not Engine.IO: IndexError"),
        ("bnot base64", "not Engine.IO: Error"),
        ("4", "not Socket.IO"),
        ("4x", "not Socket.IO: ValueError"),
        ("49", "not Socket.IO: IndexError"),
        ("42", "not Socket.IO: TypeError"),
        ("42[]", "not Socket.IO: IndexError"),
        ('42{"a":1}', "not Socket.IO: KeyError"),
        ('42["news"', "not Socket.IO: JSONDecodeError"),
        ("42" + "[" * 100_000, "not Socket.IO: RecursionError"),
        ("4[" + "[" * 100_000, "not Engine.IO: RecursionError"),
        (b"\x84\xa4type", "6 bytes that no packet announced"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_reason(encoded, reason):
    [packet] = decode(encoded)
    assert (packet.name, packet.event) == ("undecoded", None)
    assert packet.data.startswith(reason)


def test_a_binary_event_without_its_attachments_is_named_when_another_packet_follows():
    lost, news = decode('451-["file",{"_placeholder":true,"num":0}]', '42["news"]')
    assert (lost.name, lost.data) == (
        "undecoded",
        "BINARY_EVENT whose attachments did not follow",
    )
    assert news.event == "news"


def test_an_attachment_that_fits_nowhere_spoils_only_its_own_packet():
    bad, news = decode('451-["file",{"_placeholder":true,"num":5}]', b"x", '42["news"]')
    assert (bad.name, news.event) == ("undecoded", "news")


def test_the_decoder_notes_direction_and_transport():
    [packet] = PacketDecoder(TO_SERVER, "polling").feed("2")
    assert (packet.direction, packet.transport) == (TO_SERVER, "polling")


@pytest.mark.parametrize(
    ("packet", "text"),
    [
        (Packet(TO_CLIENT, "CONNECT", data={"sid": "secret"}), "<server→client CONNECT>"),
        (
            Packet(TO_SERVER, "EVENT", event="pay", data=[5], id=2, namespace="/a"),
            "<client→server EVENT /a 'pay' [5] id=2>",
        ),
        (Packet(TO_SERVER, "ACK", data=[], id=0), "<client→server ACK [] id=0>"),
        (Packet(TO_CLIENT, "ping", delivered=False), "<server→client ping (lost)>"),
        (undecoded(TO_CLIENT, "polling", "why"), "<server→client undecoded 'why'>"),
    ],
)
def test_repr_says_what_passed_without_session_ids(packet, text):
    assert repr(packet) == text

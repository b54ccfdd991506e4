"""python-socketio's and python-engineio's internals that the package touches, all of them.

Neither library promises them. Every line that uses one says so, and this table says what must be
there: whoever raises a bound in pyproject.toml sees here what to look at.
"""

import ast
import inspect
import re
from pathlib import Path

import engineio
import pytest
import socketio

import sio_demo

CLIENT, SERVER = socketio.AsyncClient(), socketio.AsyncServer(async_mode="aiohttp")

INTERNALS = [
    (CLIENT, "eio handlers namespace_handlers namespaces callbacks _reconnect_task"),
    (CLIENT, "_trigger_event _get_real_value connection_namespaces"),
    (CLIENT, "_get_event_handler _get_namespace_handler"),
    (CLIENT.eio, "handlers http external_http queue read_loop_task write_loop_task sid state"),
    (CLIENT.eio, "websocket_extra_options"),
    (engineio.base_client, "connected_clients"),
    (SERVER, "eio handlers namespace_handlers manager _trigger_event"),
    (SERVER, "_get_event_handler _get_namespace_handler"),
    (SERVER.eio, "handlers sockets start_service_task service_task_handle service_task_event"),
    (SERVER.eio, "max_http_buffer_size"),
    (
        SERVER.manager,
        "get_namespaces get_participants is_connected sid_from_eio_sid eio_sid_from_sid",
    ),
]
# What the observer wraps, or calls in another way than documented: the parameters.
SIGNATURES = [
    (CLIENT._trigger_event, "event namespace args"),
    (CLIENT._get_event_handler, "event namespace args"),
    (CLIENT._get_namespace_handler, "namespace args"),
    (CLIENT.eio.connect, "url headers transports engineio_path"),
    (CLIENT.eio.send, "data"),
    (CLIENT.eio.disconnect, "abort reason"),
    (SERVER.eio.send_packet, "sid pkt"),
    (SERVER.manager.connect, "sid namespace"),
    (SERVER.manager.pre_disconnect, "sid namespace"),
    (SERVER.manager.disconnect, "sid namespace kwargs"),
    (SERVER._trigger_event, "event namespace args"),
    (SERVER._get_event_handler, "event namespace args"),
    (SERVER._get_namespace_handler, "namespace args"),
]

PACKAGE = Path(sio_demo.__file__).parent
NAMES = {name for _, names in INTERNALS for name in names.split()}


def uses(path):
    """The lines of a file that use an attribute of that name, of a client, a server or a part."""
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in NAMES:
            owner = ast.unparse(node.value)
            if re.search(r"\b(eio|_eio|manager|sio|client|end|super\(\))$", owner):
                yield node.end_lineno


@pytest.mark.parametrize(("owner", "names"), INTERNALS)
def test_it_is_there(owner, names):
    assert [name for name in names.split() if not hasattr(owner, name)] == []


@pytest.mark.parametrize(("function", "names"), SIGNATURES)
def test_it_takes_these_parameters(function, names):
    assert list(inspect.signature(function).parameters) == names.split()


def test_every_line_that_uses_one_says_so():
    silent = [
        f"{path.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for number in sorted(set(uses(path)))
        if "internal" not in (line := path.read_text(encoding="utf-8").splitlines()[number - 1])
    ]
    assert silent == []

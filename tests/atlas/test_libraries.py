"""What each cause was measured with, and what else it is said to be known from."""

import pytest
import socketio

from sio_demo.atlas import CAUSES, kit

RUN = [cause for cause in CAUSES if cause.reproduce]

WATCH = """
globalThis.made = new Set();
const { Server } = require("socket.io");
const { attach } = Server.prototype;
Server.prototype.attach = function (...args) {
  made.add("socket.io");
  return attach.apply(this, args);
};
for (const connect of [io, require("socket.io-client").io, require("socket.io-client-4.8.1").io]) {
  const manager = Object.getPrototypeOf(connect({ autoConnect: false, forceNew: true }).io);
  const { open } = manager;
  manager.open = manager.connect = function (...args) {
    made.add("socket.io-client");
    return open.apply(this, args);
  };
}
"""


async def test_it_was_measured_with_the_libraries_that_it_names(monkeypatch):
    made = set()

    def watch(kind, method, name):
        wrapped = getattr(kind, method)

        def watching(self, *args, **options):
            made.add(name)
            return wrapped(self, *args, **options)

        monkeypatch.setattr(kind, method, watching)

    watch(socketio.AsyncServer, "attach", "python-socketio server")
    watch(socketio.AsyncClient, "connect", "python-socketio client")
    named, found = {}, {}
    async with kit.one_node() as node:
        js = await node.get()
        await js.run(WATCH)
        for cause in RUN:
            made.clear()
            await js.run("made.clear()")
            await cause.reproduce(False)
            named[cause.letter] = set(cause.measured_with)
            found[cause.letter] = made | set(await js.run("[...made]"))
    assert found == named


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.letter)
def test_it_was_measured_if_it_was_reproduced(cause):
    assert bool(cause.measured_with) == bool(cause.reproduce)
    assert cause.measured_with or cause.also_known_from
    assert not set(cause.measured_with) & set(cause.also_known_from)


def tells_of(source, library):
    """Tell whether a source is a thread or a page of that library's."""
    if library == "Flask-SocketIO":
        return source.startswith("miguelgrinberg/Flask-SocketIO#")
    if library.startswith("python-socketio"):
        return source.startswith(("miguelgrinberg/python-", "https://python-socketio."))
    return "miguelgrinberg/" not in source and "python-socketio" not in source


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.letter)
def test_what_it_is_also_known_from_is_in_its_evidence(cause):
    for library in cause.also_known_from:
        assert any(tells_of(source, library) for source in cause.evidence), library

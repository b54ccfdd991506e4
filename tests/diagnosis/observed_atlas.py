"""Runs a cause of the atlas with an observer at each of its ends, in Python and in JavaScript."""

import json
from contextlib import contextmanager
from unittest.mock import patch

import socketio

from sio_demo.atlas import cause, kit
from sio_demo.atlas.kit import MESSAGE
from sio_demo.counters import Counters
from sio_demo.diagnosis import Seen, snippet
from sio_demo.diagnosis.client_probe import ClientProbe
from sio_demo.diagnosis.observe import Observer
from sio_demo.diagnosis.server_probe import ServerProbe
from sio_demo.diagnosis.tally import Tally

EVENTS = {
    **{"D2": "authenticated", "D8": "reading", "D10": "say", "D11": "join", "D22": "line"},
    **dict.fromkeys(["D12", "D13", "D14", "D15", "D23", "D24", "D30", "D31"], "pay"),
    **dict.fromkeys(["D25", "D26"], "connect"),
    **dict.fromkeys(["L2", "L3", "L11", "L16a", "L17"], "order"),
    **{"L7": "order", "L8": "hello", "L9": "hello", "L12": "position", "L18": "price"},
    **{"L5": "order", "L21": "say", "L22": "photo", "L26": "order", "L27": "line", "D28": "say"},
}
"""The event that a cause is about, where it is not ``"news"``."""

HANDLED_BY_SERVER = {
    *("D8", "D10", "D11", "D12", "D13", "D14", "D15", "D23", "D24", "D25", "D26", "D28", "D30"),
    "D31",
    *("L2", "L3", "L7", "L11", "L12", "L16a", "L17", "L18", "L21", "L22", "L26"),
}

JAVASCRIPT = f"""{snippet()}
const observers = {{ client: [], server: [] }};
const MESSAGE_KEY = {json.dumps(MESSAGE)};
const sameMessage = (event, args) => {{
  const text = JSON.stringify(args);
  return text.includes(MESSAGE_KEY) ? MESSAGE_KEY : text;
}};
function observed(side, end) {{
  observers[side].push(observe(end, {{ key: sameMessage }}));
  return end;
}}
function sample(event, recipient) {{
  const of = (side) =>
    observers[side].map((seen) => seen.message(event, [MESSAGE_KEY], {{ recipient }}));
  return {{ client: of("client"), server: of("server") }};
}}
"""


class TabScript:
    """Stands for ``tab.js``, with an observer for each client and server that a snippet makes."""

    def read_text(self):
        text = kit_tab_js.read_text()
        for name, side in (("socket", "client"), ("server", "server")):
            line = f"      return {name};"
            assert line in text
            text = text.replace(line, f'      return observed("{side}", {name});')
        return JAVASCRIPT + text


kit_tab_js = kit._TAB_JS


async def seen_by_observers(letter):
    """Reproduce a cause without its fix; give its own counters, and what observers have seen."""
    event = EVENTS.get(letter, "news")
    recipient = "server" if letter in HANDLED_BY_SERVER else "client"
    samples = {}
    with observed_python() as observer, observed_javascript(event, recipient, samples):

        def sample():
            if observer._probes:
                arguments = () if event == "connect" else (MESSAGE,)
                namespace = "/chat" if letter == "D7" else "/"
                samples["python"] = observer.message(
                    event, *arguments, recipient=recipient, namespace=namespace
                )

        async with kit.one_node():
            with at_each_counting(sample):
                counters = await cause(letter).reproduce(False)
    parts = [samples["python"]] if "python" in samples else []
    for side in ("client", "server"):
        if samples.get(side):
            parts.append(added_up(samples[side]))
    return counters, Seen.together(parts)


@contextmanager
def observed_python():
    """Observe every Python client and server that is made within the block."""
    tally = Tally(lambda _event, data: MESSAGE if MESSAGE in repr(data) else repr(data), 10**6)
    observer = Observer(tally, [], [])
    client_init, server_init = socketio.AsyncClient.__init__, socketio.AsyncServer.__init__

    def init_client(self, *args, **options):
        client_init(self, *args, **options)
        observer._clients.append(ClientProbe(self, tally))

    def init_server(self, *args, **options):
        server_init(self, *args, **options)
        if options:  # else it is that of another process, in L25
            observer._servers.append(ServerProbe(self, tally))

    with (
        patch.object(socketio.AsyncClient, "__init__", init_client),
        patch.object(socketio.AsyncServer, "__init__", init_server),
    ):
        yield observer
    observer.close()


@contextmanager
def observed_javascript(event, recipient, samples):
    """Observe every client and server of socket.io, and look at them after each call of a tab."""
    call = kit.Tab.__call__
    asked = f"sample({json.dumps(event)}, {json.dumps(recipient)})"

    async def call_and_sample(self, code):
        value = await call(self, code)
        if code != "end()":
            samples.update(await self._js.run(asked))
        return value

    with (
        patch.object(kit, "_TAB_JS", TabScript()),
        patch.object(kit.Tab, "__call__", call_and_sample),
    ):
        yield


@contextmanager
def at_each_counting(sample):
    """Look at the observers whenever a reproduction makes its counters: all is open then."""
    new = Counters.__new__

    def counted(cls, *args, **options):
        sample()
        return new(cls, *args, **options)

    with patch.object(Counters, "__new__", counted):
        yield


def added_up(samples):
    """Add up what several clients of one user have seen, each for itself."""
    samples = sorted(samples, key=lambda seen: seen["packets"] == 0)
    total, *others = samples
    for other in others:
        if other["packets"]:
            for name in ("listeners", "packets", "calls"):
                if other[name] is not None:
                    total[name] = (total[name] or 0) + other[name]
    return Seen.of(json.dumps(total))

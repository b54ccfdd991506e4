"""EmitterClient makes the calls that the real socket.io-client makes.

Each scenario is played on both, on the same server, behind the same link that is cut.
"""

import asyncio
import gc
import json

import pytest
import socketio

from sio_demo.errors import SnippetError
from sio_demo.lab.clients import EmitterClient
from sio_demo.lab.experiment import reconnect, settled
from sio_demo.lab.link import Link
from sio_demo.lab.node import NodeClient
from sio_demo.lab.packet import TO_CLIENT
from sio_demo.lab.server import serve

# A scenario: steps; what listeners do when they are called; the calls that come of it.
#
# Steps are "connect", "cut" (and come back), "send" (event "news", with 1, 2, ...), "ask" (the
# same, and the acknowledgement is noted), "thrown" (a listener has thrown since the last such
# step), or an operation: (method, event, listener).
# A call is noted as "<listener> <first argument, if a number>".
SCENARIOS = {
    "one listener": (
        [("on", "news", "a"), "connect", "send", "cut", "send"],
        {},
        ["a 1", "a 2"],
    ),
    "the same function twice is called twice": (
        [("on", "news", "a"), ("on", "news", "a"), "connect", "send"],
        {},
        ["a 1", "a 1"],
    ),
    "registered in connect, it is called once more after every reconnect": (
        [("on", "connect", "c"), "connect", *["send", "cut"] * 4, "send"],
        {"c": [("on", "news", "a")]},
        ["c", "a 1", "c", *["a 2"] * 2, "c", *["a 3"] * 3, "c", *["a 4"] * 4, "c", *["a 5"] * 5],
    ),
    "registered once in connect, it outlives the message that does not come": (
        [("on", "connect", "c"), "connect", "cut", "cut", "send", "send"],
        {"c": [("once", "news", "a")]},
        ["c", "c", "c", "a 1", "a 1", "a 1"],
    ),
    "registered in connect, removed in disconnect": (
        [
            ("on", "connect", "c"),
            ("on", "disconnect", "d"),
            "connect",
            *["send", "cut"] * 2,
            "send",
        ],
        {"c": [("on", "news", "a")], "d": [("off", "news", "a")]},
        ["c", "a 1", "d", "c", "a 2", "d", "c", "a 3"],
    ),
    "registered in connect, after all were removed there": (
        [("on", "connect", "c"), ("on", "news", "b"), "connect", "send", "cut", "send"],
        {"c": [("off", "news"), ("on", "news", "a")]},
        ["c", "a 1", "c", "a 2"],
    ),
    "once": (
        [("once", "news", "a"), ("on", "news", "b"), "connect", "send", "send"],
        {},
        ["a 1", "b 1", "b 2"],
    ),
    "once twice": (
        [("once", "news", "a"), ("once", "news", "a"), "connect", "send", "send"],
        {},
        ["a 1", "a 1"],
    ),
    "once that registers itself again": (
        [("once", "news", "a"), "connect", "send", "send"],
        {"a": [("once", "news", "a")]},
        ["a 1", "a 2"],
    ),
    "once in connect, once in disconnect": (
        [("once", "connect", "c"), ("once", "disconnect", "d"), "connect", "cut", "cut", "send"],
        {},
        ["c", "d"],
    ),
    "off removes the first of two": (
        [
            *[("on", "news", name) for name in "aba"],
            ("off", "news", "a"),
            "connect",
            "send",
            ("off", "news", "a"),
            "send",
            ("off", "news", "a"),
            "send",
        ],
        {},
        ["b 1", "a 1", "b 2", "b 3"],
    ),
    "off removes a once listener by its function": (
        [
            ("once", "news", "a"),
            ("on", "news", "a"),
            ("off", "news", "a"),
            "connect",
            *["send"] * 2,
        ],
        {},
        ["a 1", "a 2"],
    ),
    "off without a listener removes all of the event": (
        [
            *[("on", "news", "a"), ("once", "news", "b"), ("on", "connect", "c")],
            *["connect", ("off", "news"), "send", "cut"],
        ],
        {},
        ["c", "c"],
    ),
    "off without arguments removes all": (
        [
            *[("on", "news", "a"), ("on", "connect", "c")],
            "connect",
            ("off",),
            "send",
            "cut",
            "send",
        ],
        {},
        ["c"],
    ),
    "off of what was never registered": (
        [("on", "news", "a"), ("off", "news", "b"), ("off", "other", "a"), "connect", "send"],
        {},
        ["a 1"],
    ),
    "added meanwhile, it is called from the next message on": (
        [("on", "news", "a"), ("on", "news", "b"), "connect", "send", "send", "send"],
        {"a": [("on", "news", "x")]},
        ["a 1", "b 1", "a 2", "b 2", "x 2", "a 3", "b 3", "x 3", "x 3"],
    ),
    "removed meanwhile, it is called this once": (
        [("on", "news", "a"), ("on", "news", "b"), "connect", "send", "send"],
        {"a": [("off", "news", "b")]},
        ["a 1", "b 1", "a 2"],
    ),
    "a once listener removed meanwhile is called this once": (
        [("on", "news", "a"), ("once", "news", "b"), "connect", "send", "send"],
        {"a": [("off", "news", "b")]},
        ["a 1", "b 1", "a 2"],
    ),
    "all removed meanwhile": (
        [("on", "news", "a"), ("on", "news", "b"), "connect", "send", "send"],
        {"a": [("off",)]},
        ["a 1", "b 1"],
    ),
    "it removes itself": (
        [*[("on", "news", name) for name in "aab"], "connect", "send", "send"],
        {"a": [("off", "news", "a")]},
        ["a 1", "a 1", "b 1", "b 2"],
    ),
    "added to connect in connect": (
        [("on", "connect", "c"), "connect", "cut", "cut"],
        {"c": [("on", "connect", "x")]},
        ["c", "c", "x", "c", "x", "x"],
    ),
    "one that throws stops the later ones, once": (
        [
            *[("on", "news", name) for name in "abc"],
            "connect",
            "send",
            "thrown",
            ("off", "news", "b"),
            "send",
        ],
        {"b": [("throw",)]},
        ["a 1", "b 1", "a 2", "c 2"],
    ),
    "a once listener that throws is removed": (
        [("once", "news", "a"), ("on", "news", "b"), "connect", "send", "thrown", "send"],
        {"a": [("throw",)]},
        ["a 1", "b 2"],
    ),
    "the first acknowledgement counts": (
        [*[("on", "news", name) for name in "abc"], "connect", "ask", ("off", "news", "b"), "ask"],
        {"b": [("reply", "from b")], "c": [("reply", "from c")]},
        ["a 1", "b 1", "c 1", "a 2", "c 2", "acknowledged: from b", "acknowledged: from c"],
    ),
}

JAVASCRIPT = """
const calls = [], listeners = {};
const socket = io(url, {
  autoConnect: false, transports: ["websocket"], reconnectionDelay: 10, randomizationFactor: 0,
});
socket.onAny((event, ...args) => { if (event === "sync") args.at(-1)(); });  // off() spares it

function listener(name) {
  return listeners[name] ??= (...args) => {
    calls.push(typeof args[0] === "number" ? `${name} ${args[0]}` : name);
    for (const [method, ...rest] of actions[name] ?? []) {
      if (method === "throw") throw new Error("on purpose");
      else if (method === "reply") args.at(-1)(rest[0]);
      else act(method, ...rest);
    }
  };
}

function act(method, ...args) {
  if (args.length === 2) args[1] = listener(args[1]);
  socket[method](...args);
}
"""


class JavaScript:
    """Plays the operations on the real socket.io-client."""

    async def start(self, url):
        self.js = await NodeClient.start(url)

    async def enter(self, actions):
        await self.js.run(f"const actions = {json.dumps(actions)}; {JAVASCRIPT}")

    async def connect(self):
        await self.js.run("socket.connect()")

    async def act(self, *operation):
        await self.js.run(f"act(...{json.dumps(operation)})")

    async def calls(self):
        return await self.js.run("calls")

    async def thrown(self):
        with pytest.raises(SnippetError, match="on purpose"):
            await self.js.run("")

    async def leave(self):
        await self.js.run("socket.disconnect()")

    async def stop(self):
        await self.js.close()


class Python:
    """Plays the operations on EmitterClient, or on another class."""

    def __init__(self, client_class=EmitterClient):
        self.client_class = client_class

    async def start(self, url):
        self.url = url
        self.errors = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.errors.append(context["exception"]))

    async def enter(self, actions):
        self.actions, self.noted, self.listeners = actions, [], {}
        self.client = self.client_class(
            reconnection_delay=0.01, randomization_factor=0, handle_sigint=False
        )

    async def connect(self):
        await self.client.connect(self.url, transports=["websocket"])

    async def act(self, *operation):
        self.do(*operation)

    def do(self, method, *args):
        if len(args) == 2:
            args = args[0], self.listener(args[1])
        getattr(self.client, method)(*args)

    def listener(self, name):
        def called(*args):
            self.noted.append(f"{name} {args[0]}" if args and isinstance(args[0], int) else name)
            reply = None
            for method, *rest in self.actions.get(name, []):
                if method == "throw":
                    raise RuntimeError("on purpose")
                if method == "reply":
                    reply = rest[0]
                else:
                    self.do(method, *rest)
            return reply

        return self.listeners.setdefault(name, called)

    async def calls(self):
        return list(self.noted)

    async def thrown(self):
        gc.collect()  # asyncio tells of a task's error when the task is collected
        assert [str(error) for error in self.errors] == ["on purpose"]
        self.errors.clear()

    async def leave(self):
        await self.client.shutdown()

    async def stop(self):
        assert self.errors == []


async def play(player, server, link, steps):
    """Play the steps of one scenario; give the calls that were noted, then the replies."""
    sid, sent, replies = None, 0, []
    for step in steps:
        if step == "connect":
            connected = link.expect("CONNECT", TO_CLIENT)
            await player.connect()
            sid = (await connected).data["sid"]
        elif step == "cut":
            sid = await reconnect(link)
        elif step == "send":
            sent += 1
            await server.sio.emit("news", sent, to=sid)
        elif step == "ask":
            sent += 1
            replies.append(await server.sio.call("news", sent, to=sid))
        elif step == "thrown":
            await player.thrown()
        else:
            await player.act(*step)
        if sid:
            await settled(server, sid)
    return await player.calls() + [f"acknowledged: {reply}" for reply in replies]


async def play_all(player, scenarios=SCENARIOS):
    """Play every scenario; give what came of each."""
    came = {}
    sio = socketio.AsyncServer(async_mode="aiohttp")
    async with await serve(sio) as server, await Link.to(server) as link:
        await player.start(link.url)
        for name, (steps, actions, _) in scenarios.items():
            await player.enter(actions)
            came[name] = await play(player, server, link, steps)
            await player.leave()
            await link.idle()
        await player.stop()
    return came


EXPECTED = {name: calls for name, (_, _, calls) in SCENARIOS.items()}


@pytest.mark.parametrize("player", [JavaScript(), Python()], ids=["socket.io-client", "Emitter"])
async def test_calls(player):
    """socket.io-client and EmitterClient make the same calls: those that the scenarios say."""
    assert await play_all(player) == EXPECTED


async def test_client_that_replaces_is_found_out():
    """The scenarios tell a client whose on() replaces from one whose on() appends."""

    class ReplacingClient(EmitterClient):
        def on(self, event, handler=None, namespace=None):
            self.off(event, namespace=namespace)
            return super().on(event, handler, namespace)

    telling = {
        name: SCENARIOS[name]
        for name in [
            "the same function twice is called twice",
            "registered in connect, it is called once more after every reconnect",
        ]
    }
    came = await play_all(Python(ReplacingClient), telling)
    assert list(came.values()) == [
        ["a 1"],
        ["c", "a 1", "c", "a 2", "c", "a 3", "c", "a 4", "c", "a 5"],
    ]

"""What all rules for one JavaScript source share."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ast_grep_py import SgNode

from ..calls import Call, Step, call_of
from ..nodes import last_name, unwrap
from ..pages import EmbeddedScripts
from ..shared import Reporter, word_set
from .facts import CLIENTS, REGISTERS, Role
from .owners import exported, owns_client
from .removals import Removals
from .script import FUNCTIONS, Script, text_of_string

TIDY = re.compile(
    r"(?i)clean|unsub|off$|^off|disconnect|disconn|close|leave|remove|dispose|destroy|teardown|"
    r"tear_?down|stop|detach|reset|unregister|unlisten|unbind|unmount|abort|clear|kill|shutdown|"
    r"terminate|^end$"
)

_REFERS = {"identifier", "member_expression", "call_expression"}
_STREAMED = word_set(
    "data end close error drain timeout ready open message lookup secureConnect connect ping pong "
    "finish pipe readable listening upgrade connection exit"
)


@dataclass(frozen=True)
class EventHandler:
    """A function registered for an event, and the call that registers it."""

    event: str
    call: Call
    function: SgNode


@dataclass(frozen=True)
class Entry:
    """An exported function of a module, and when another file runs it.

    Its parameter number `peer` is the server's end of a connection.
    """

    module: str
    name: str
    when: Literal["connection", "mount"]
    peer: int = -1


class Source(Removals):
    """A source with its roles and flow, and the questions that several rules ask.

    `entries` are the functions in it that other files run.
    """

    def __init__(
        self,
        script: Script,
        report: Reporter,
        page: EmbeddedScripts | None,
        entries: Collection[Entry],
        owns: Callable[[str, str], bool],
    ) -> None:
        super().__init__(script, page is not None and page.client_script)
        self.page = page
        self.entries = entries
        self._owns = owns
        self.instances = page.instances if page else ()
        self.report_node = report
        for function, entry in self.run_elsewhere("connection"):
            self.roles.peers[function] = entry.peer
        if "@WebSocketGateway" in script.text:
            self.roles.peers.update(dict.fromkeys(script.functions["handleConnection"], 0))
        self._reported: set[SgNode] = set()

    def report(self, call: Call, rule: str, message: str, **names: str) -> None:
        """Report a call, once; a chained call at its own part of the chain."""
        if call.node in self._reported:
            return
        self._reported.add(call.node)
        where = call.node
        if call.target is not None:
            member = call.callee.field("property")
            if member and member.range().start.line != call.node.range().start.line:
                where = member
        self.report_node(where, rule, message, **names)

    def event_of(self, call: Call) -> str | None:
        """Return the event of a call: a literal, or a constant such as `Events.CONNECT`."""
        if not call.args:
            return None
        node = unwrap(call.args[0])
        if node.kind() == "member_expression":
            return last_name(node).lower()
        texts = (text_of_string(unwrap(value)) for value in (node, *self.values_of(node)))
        return next((text for text in texts if text is not None), None)

    @cached_property
    def in_browser(self) -> bool:
        """Whether the source is part of a user interface, where sockets are not streams."""
        return self.page is not None or self.roles.facts.in_browser

    @cached_property
    def adding(self) -> list[Call]:
        """The calls that add a listener or make a client."""
        return [
            call for call in self.script.calls if call.name in REGISTERS or self.makes_client(call)
        ]

    def in_instance(self, call: Call) -> bool:
        """Return whether a call is in a script that runs for every instance of a component."""
        return any(start <= call.start < end for start, end in self.instances)

    def is_client(self, target: SgNode, event: str | None = None) -> bool:
        """Return whether a listener on `target` is on a Socket.IO client or its manager."""
        role = self.roles.of(target)
        if role in (Role.CLIENT, Role.MANAGER):
            return True
        if role is not Role.MAYBE:
            return False
        if self.roles.facts.client_imported or self.in_browser:
            return True
        if event is not None and event not in _STREAMED:
            return True
        return event in (None, "connect", "message") and (
            ".emit(" in self.script.text or self._has_own_events
        )

    @cached_property
    def _has_own_events(self) -> bool:
        """Whether there is a listener for an event that streams do not have."""
        return any(
            call.target is not None
            and self.roles.of(call.target) is Role.MAYBE
            and self.event_of(call) not in (None, *_STREAMED, "disconnect", "reconnect")
            for call in self.script.called("on")
        )

    @cached_property
    def handlers(self) -> list[EventHandler]:
        """All functions registered on clients for known events."""
        found = []
        for call in self.script.called(*REGISTERS):
            if call.target is None or len(call.args) < 2 or self.roles.is_server_connection(call):
                continue
            if self.roles.of(call.target) not in (*CLIENTS, Role.MANAGER):
                continue
            event, function = self.event_of(call), self.flow.function_of(call.args[1])
            if event is not None and function is not None:
                found.append(EventHandler(event, call, function))
        return sorted(found, key=lambda handler: handler.call.start)

    @cached_property
    def connections(self) -> list[SgNode]:
        """The functions that servers run for every connection, here or in another file."""
        calls = filter(self.roles.is_server_connection, self.script.called(*REGISTERS))
        registered = (self.flow.function_of(call.args[1]) for call in calls)
        return [*(f for f in registered if f is not None), *self.roles.peers]

    def run_elsewhere(self, when: str) -> Iterator[tuple[SgNode, Entry]]:
        """Yield the functions that other files run, with their entries."""
        for entry in self.entries:
            if entry.when == when:
                for function in exported(self.flow, entry.name):
                    yield function, entry

    def is_owned(self, target: SgNode) -> bool:
        """Return whether a client comes from a hook that makes one for each of its callers."""
        path = self.script.path(self.root_of(target))
        binding = self.script.resolve(target, path[0]) if path else None
        if binding is None:
            return False
        for made in map(unwrap, filter(None, (binding.source, *binding.values))):
            call = call_of(made) if made.kind() == "call_expression" else None
            if call is None or not call.name.startswith("use"):
                continue
            hook = self.script.resolve(call.callee, call.name)
            if hook is not None and hook.module:
                return self._owns(hook.module, hook.imported)
            return owns_client(self.script, call.name)
        return False

    def is_owner_client(self, call: Call) -> bool:
        """Return whether a call may be a method of a client."""
        if call.target is None:
            return False
        return self.roles.of(self.root_of(call.target)) not in (Role.OTHER, Role.PEER, Role.SERVER)

    def first_time(self, step: Step) -> bool:
        """Return whether a step is guarded, or a call that leads to it."""
        return any(self.flow.guarded(*place) for place in step.way)

    def makes_once(self, step: Step) -> bool:
        """Return whether a client is created under a condition about an existing one."""
        return self.first_time(step) or any(
            re.search(r"(?i)socket|\b(sio|io|client|connection)\b", condition)
            for place in step.way
            for condition in self.flow.conditions(*place)
        )

    def closes(self, calls: Iterable[Call]) -> bool:
        """Return whether calls close a client."""
        return any(TIDY.search(call.name) and not call.new for call in calls)

    def is_function(self, node: SgNode) -> bool:
        """Return whether an argument can be a function."""
        return unwrap(node).kind() in FUNCTIONS | _REFERS

"""What all rules for one JavaScript source share."""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ast_grep_py import SgNode

from ..calls import Call, Step, call_of
from ..nodes import holds, last_name, text, unwrap
from ..pages import EmbeddedScripts
from ..shared import Reporter, word_set
from .facts import CHAINED, CLIENTS, REGISTERS, Role
from .flow import Flow
from .owners import exported, owns_client
from .roles import Roles
from .script import Script, text_of_string
from .streams import Ask

TIDY = re.compile(
    r"(?i)clean|unsub|off$|^off|disconnect|disconn|close|leave|remove|dispose|destroy|teardown|"
    r"tear_?down|stop|detach|reset|unregister|unlisten|unbind|unmount|abort|clear|kill|shutdown|"
    r"terminate|^end$"
)

_MAKER_NAME = re.compile(r"(?i)(create|init|make|open|connect|new|start|build|io$)")
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


class Source:
    """A source with its roles and flow, and the questions that several rules ask.

    `entries` are the functions in it that other files run.
    """

    def __init__(
        self,
        script: Script,
        report: Reporter,
        page: EmbeddedScripts | None,
        entries: Collection[Entry],
        ask: Ask,
    ) -> None:
        self.script = script
        self.roles = Roles(script, page is not None and page.client_script)
        self.flow = Flow(script)
        self.page = page
        self.entries = entries
        self.ask = ask
        self.instances = page.instances if page else ()
        self.report_node = report
        for function, entry in self.run_elsewhere("connection"):
            self.roles.peers[function] = entry.peer
        self.disconnections = script.functions.get("handleDisconnect", [])  # of NestJS
        if "@WebSocketGateway" in script.text:
            self.roles.peers.update(dict.fromkeys(script.functions["handleConnection"], 0))
        self._reported: set[SgNode] = set()

    def root_of(self, target: SgNode) -> SgNode:
        """Return the start of a chain such as `socket.on(...).on(...)`."""
        self.script.patience.ask()
        target = unwrap(target)
        while target.kind() == "call_expression":
            call = call_of(target)
            if call.name not in CHAINED or call.target is None:
                break
            if self.roles.of(call.target) in (Role.MAKER, Role.SERVER_MAKER):
                break
            target = unwrap(call.target)
        return target

    def values_of(self, target: SgNode) -> list[SgNode]:
        """Return everything that is assigned to a name or member."""
        target = unwrap(target)
        if target.kind() == "identifier":
            binding = self.script.resolve(target)
            return list(binding.values) if binding else []
        path = self.script.path(target)
        found = self.script.members.get(path, ()) if path else ()
        if not found and path and path[0] == "this" and path[1:-1] in ((), ("state",)):
            found = self.script.properties.get(path[-1], ())
        return list(found)

    def origins(self, target: SgNode, depth: int = 3) -> Iterator[SgNode]:
        """Yield the expressions that a client comes from, through aliases."""
        for value in map(unwrap, self.values_of(target)):
            if value.kind() in ("identifier", "member_expression") and depth:
                yield from self.origins(value, depth - 1)
            else:
                yield value

    def fresh(self, target: SgNode, regions: Collection[SgNode]) -> bool:
        """Return whether the code that uses a client also creates it, so that it is new."""
        root = self.root_of(target)
        if root.kind() in ("call_expression", "new_expression"):
            return self.roles.makes_client(call_of(root))
        if (client := root.field("object")) and self.roles.of(root) is Role.MANAGER:
            return self.fresh(client, regions)  # `socket.io`
        for origin in self.origins(root):
            if origin.kind() not in ("call_expression", "new_expression"):
                continue
            call = call_of(origin)
            if call.target is not None and self.roles.of(call.target) is Role.MANAGER:
                if self.fresh(call.target, regions):  # as new as its manager
                    return True
            elif (
                any(holds(region, origin) for region in regions)
                and self._creates_client(call)
                and not self._may_be_kept(origin, root)
            ):
                return True
        return False

    def _creates_client(self, call: Call) -> bool:
        """Return whether a call creates a client, or calls a function that does."""
        known = call.name in self.script.functions and _MAKER_NAME.match(call.name) is not None
        return call.new or known or self.roles.makes_client(call)

    def _may_be_kept(self, origin: SgNode, root: SgNode) -> bool:
        """Return whether a client is created only if there is none: it may be the old one."""
        for ancestor in origin.ancestors():
            if holds(ancestor, root):
                return False
            condition = ancestor.field("condition") if ancestor.kind() == "if_statement" else None
            if root.text() in text(condition).replace("?.", "."):
                return True
        return False

    def reconnects(self, target: SgNode) -> bool:
        """Return whether automatic reconnection is not switched off."""
        return not any(
            re.search(r"reconnection['\"]?\s*:\s*false", origin.text())
            for origin in self.origins(self.root_of(target))
        )

    def report(self, call: Call, rule: str, message: str, **names: str) -> None:
        """Report a call, once; a chained call at its own part of the chain."""
        if call.node in self._reported:
            return
        self._reported.add(call.node)
        where = call.node
        if call.name in CHAINED:
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

    def is_client(self, target: SgNode, event: str | None = None) -> bool:
        """Return whether a listener on `target` is on a Socket.IO client or its manager."""
        role = self.roles.of(target)
        if role in (Role.CLIENT, Role.MANAGER):
            return True
        sure = self.roles.facts.client_imported or self.in_browser
        return role is Role.MAYBE and (
            sure or event not in _STREAMED or event in ("connect", "message")
        )

    def is_socket(self, target: SgNode) -> bool:
        """Return whether an expression is a client, and no service around it."""
        name = self.script.path(target) or ("",)
        return self.roles.of(target) is Role.CLIENT or name[-1].lower().endswith("socket")

    def listens(self, call: Call) -> bool:
        """Return whether a call registers a listener on a client."""
        needed = 1 if "Any" in call.name else 2
        if call.name not in REGISTERS or call.target is None or len(call.args) < needed:
            return False
        return self.is_client(call.target, self.event_of(call))

    def outlives(self, target: SgNode, regions: Iterable[SgNode]) -> bool:
        """Return whether an emitter is there before some functions run."""
        name = (self.script.path(target) or ("",))[0]
        found = self.script.resolve(target, name)
        if found is None:
            return name in ("document", "window", "process", "global", "globalThis")
        if found.scope is None:
            return found.kind != "function"
        return not any(holds(region, found.scope) for region in regions)

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
                return self.ask(owns_client, hook.module, hook.imported)
            return owns_client(self.script, call.name, self.ask)
        return False

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

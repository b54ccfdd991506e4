"""What all rules for one JavaScript source share."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ast_grep_py import SgNode

from ..sources import Scripts as Page
from ..words import words
from .clients import Clients
from .facts import CLIENTS, REGISTERS, Role
from .flow import CLOSES, REMOVES, Flow, Step
from .script import FUNCTIONS, Call, Script, span, text_of_string, unwrap

Report = Callable[[SgNode, str, str], None]

TIDY = re.compile(
    r"(?i)clean|unsub|off$|^off|disconnect|disconn|close|leave|remove|dispose|destroy|teardown|"
    r"tear_?down|stop|detach|reset|unregister|unlisten|unbind|unmount|abort|clear|kill|shutdown"
)


_QUOTES = "\"'`"
_INTERFACES = re.compile(r"(react|preact|vue|svelte|next|nuxt)\b")
_STREAMED = words(
    "data end close error drain timeout ready open message lookup secureConnect connect ping pong "
    "finish pipe readable listening upgrade connection exit"
)


@dataclass(frozen=True)
class Handler:
    """A function registered for an event of a client or server, and that registration."""

    event: str
    call: Call
    function: SgNode


@dataclass(frozen=True)
class Entry:
    """A function of a module, by its exported name, and what another file runs it for.

    Its parameter number `peer` is the server's end of a connection.
    """

    module: str
    name: str
    when: Literal["connection", "mount"]
    peer: int = -1


class Source(Clients):
    """A source with its roles and flow, and questions that several rules ask.

    `entries` are those of its functions that other files run.
    """

    def __init__(
        self,
        root: SgNode,
        text: str,
        grammar: str,
        report: Report,
        page: Page | None,
        entries: Collection[Entry] = (),
    ) -> None:
        super().__init__(Script(root, text, grammar), page is not None and page.client_script)
        self.page = page
        self.entries = entries
        self.instances = page.instances if page else ()
        self.flow = Flow(self.script)
        self._report = report
        for function, entry in self.run_elsewhere("connection"):
            self.roles.peers[function] = entry.peer
        self._reported: set[SgNode] = set()

    def report(self, call: Call, rule: str, message: str) -> None:
        """Report a call, once; a chained one where its own part of the chain stands."""
        if call.node in self._reported:
            return
        self._reported.add(call.node)
        where = call.node
        if call.target is not None:
            member = call.callee.field("property")
            if member and member.range().start.line != call.node.range().start.line:
                where = member
        self._report(where, rule, message)

    def report_node(self, node: SgNode, rule: str, message: str) -> None:
        """Report something that is not a call."""
        self._report(node, rule, message)

    def reported(self, call: Call) -> bool:
        """Tell whether another rule has spoken of this call."""
        return call.node in self._reported

    def event_of(self, call: Call) -> str | None:
        """Return the event that a call names: a literal, or a constant such as `Events.CONNECT`."""
        if not call.args:
            return None
        node = unwrap(call.args[0])
        text = text_of_string(node)
        if text is not None:
            return text
        if node.kind() == "member_expression":
            return node.text().rpartition(".")[2].lower()
        if node.kind() == "identifier" and (binding := self.script.resolve(node)):
            for value in binding.values:
                if (text := text_of_string(unwrap(value))) is not None:
                    return text
        return None

    @cached_property
    def sure(self) -> bool:
        """Whether the source plainly speaks Socket.IO, rather than only by its names."""
        return self.roles.facts.client_imported

    @cached_property
    def in_browser(self) -> bool:
        """Whether the source is part of a user interface, where sockets are not streams."""
        return self.page is not None or any(
            _INTERFACES.match(module) for module in self.roles.facts.modules
        )

    @cached_property
    def adding(self) -> list[Call]:
        """The calls that add a listener or make a client."""
        return [
            call
            for call in self.script.calls
            if call.name in REGISTERS or self.makes_client(call) is not None
        ]

    def in_instance(self, call: Call) -> bool:
        """Tell whether a call stands in a script that runs for each instance of a component."""
        return any(start <= call.start < end for start, end in self.instances)

    def is_client(self, target: SgNode, event: str | None = None) -> bool:
        """Tell whether a listener on `target` is one on a Socket.IO client or its manager."""
        role = self.roles.of(target)
        if role in (Role.CLIENT, Role.MANAGER):
            return True
        if role is not Role.MAYBE:
            return False
        if self.sure or self.in_browser:
            return True
        if event is not None and event not in _STREAMED:
            return True
        return ".emit(" in self.script.text and event in (None, "connect", "message")

    @cached_property
    def handlers(self) -> list[Handler]:
        """All functions registered on clients, for events that are named."""
        found = []
        for name in REGISTERS:
            for call in self.script.by_name.get(name, ()):
                if call.target is None or len(call.args) < 2:
                    continue
                event = self.event_of(call)
                if event is None or self.roles.of(call.target) not in (*CLIENTS, Role.MANAGER):
                    continue
                if self.roles.is_server_connection(call):
                    continue
                function = self.flow.function_of(call.args[1])
                if function is not None and not self._takes_peer(event, call, function):
                    found.append(Handler(event, call, function))
        return sorted(found, key=lambda handler: handler.call.start)

    def _takes_peer(self, event: str, call: Call, function: SgNode) -> bool:
        """Tell whether a `connect` handler uses its argument as a socket: then it is a server's."""
        if event != "connect" or self.roles.of(call.target or call.node) is Role.CLIENT:
            return False
        for use in self.script.calls_within(function):
            if use.name in ("on", "emit", "join", "once") and use.target is not None:
                root = self.root_of(use.target)
                binding = self.script.resolve(root) if root.kind() == "identifier" else None
                if binding and binding.scope == function and binding.index == 0:
                    return True
        return False

    @cached_property
    def connections(self) -> list[SgNode]:
        """The functions that servers run with each connection, here or in another file."""
        registered = [
            self.flow.function_of(call.args[1])
            for name in ("on", "once", "addListener")
            for call in self.script.by_name.get(name, ())
            if self.roles.is_server_connection(call)
        ]
        return [*(f for f in registered if f is not None), *self.roles.peers]

    def run_elsewhere(self, when: str) -> Iterator[tuple[SgNode, Entry]]:
        """Yield the functions that other files run, with what they do it for."""
        for entry in self.entries:
            if entry.when == when:
                for function in self._exported(entry.name):
                    yield function, entry

    def _exported(self, name: str) -> list[SgNode]:
        """Return the functions that the source exports under a name."""
        if name not in ("default", "*"):
            return self.script.functions.get(name, [])[:1]
        values = list(self.script.members.get(("module", "exports"), ()))
        for statement in self.script.root.find_all(kind="export_statement"):
            if any(child.kind() == "default" for child in statement.children()):
                values += [v for v in map(statement.field, ("value", "declaration")) if v]
        found = [self.flow.function_of(value) for value in values]
        return [function for function in found if function is not None]

    def removed_before(self, call: Call, steps: Iterable[Step]) -> bool:
        """Tell whether one of the steps that run before a call removes the listener it adds.

        Some empty the client's private list of them instead.
        """
        before = call.start if call.target is None else span(call.target)[1]
        home = self.script.enclosing(call.node) or self.script.root
        if "._callbacks" in home.text()[: before - span(home)[0]]:
            return True
        removing = [
            step.call
            for step in steps
            if step.call.name in REMOVES
            and step.call.end <= before
            and not self._runs_later(step, call)
        ]
        return self.removed(call, removing)

    def _runs_later(self, step: Step, call: Call) -> bool:
        """Tell whether a step waits for an event that a call does not wait for."""
        for ancestor in step.call.node.ancestors():
            if ancestor == step.function:
                break
            start, end = span(ancestor)
            if ancestor.kind() == "call_expression" and not start <= call.start < end:
                outer = self.script.call_of(ancestor)
                inner = outer.args[-1:]
                if outer.name in REGISTERS and inner and span(inner[0])[0] <= step.call.start:
                    return True
        return False

    def removed(self, call: Call, steps: Iterable[Call]) -> bool:
        """Tell whether one of the calls removes the listener that a call adds."""
        for other in steps:
            if other.name not in REMOVES or other.target is None:
                continue
            if not self._same_target(other.target, call.target):
                continue
            if self.takes_off(other, call):
                return True
        return False

    def is_owner_client(self, call: Call) -> bool:
        """Tell whether a call is a method of a client, as far as one can see."""
        if call.target is None:
            return False
        return self.roles.of(self.root_of(call.target)) not in (Role.OTHER, Role.PEER, Role.SERVER)

    def takes_off(self, removes: Call, adds: Call) -> bool:
        """Tell whether `off` takes back what `on` has added."""
        if not removes.args:
            return True
        same = bool(adds.args) and self.same_event(removes.args[0], adds.args[0])
        return same and not self._wrong_function(adds, removes)

    def _same_target(self, one: SgNode, two: SgNode | None) -> bool:
        if two is None:
            return False
        a, b = self.root_of(one), self.root_of(two)
        return a.text() == b.text() or self.roles.of(a) in (*CLIENTS, Role.MANAGER)

    def same_event(self, node: SgNode, event: SgNode) -> bool:
        """Compare events as they are written; a variable may be any."""
        if node.text().strip(_QUOTES) == event.text().strip(_QUOTES):
            return True
        one, two = (self._name_of(unwrap(n)) for n in (node, event))
        return one is None or two is None or one == two

    def _name_of(self, node: SgNode) -> str | None:
        """Return the event that a literal, or a constant such as `Events.JOIN_ROOM`, names."""
        if (text := text_of_string(node)) is None and node.kind() == "member_expression":
            text = node.text().rpartition(".")[2]
        return re.sub(r"[\W_]", "", text).lower() if text is not None else None

    def _wrong_function(self, adds: Call, removes: Call) -> bool:
        """Tell whether `off` is given a function that was never added."""
        if len(removes.args) < 2 or len(adds.args) < 2:
            return False
        functions = (unwrap(adds.args[1]), unwrap(removes.args[1]))
        return any(f.kind() in ("arrow_function", "function_expression") for f in functions)

    def first_time(self, step: Step) -> bool:
        """Tell whether a step is behind a guard, its own or one on the way to it."""
        if self.flow.guarded(step.call.node, step.function):
            return True
        return any(self.flow.guarded(call.node, inside) for call, inside in step.trail)

    def makes_once(self, step: Step) -> bool:
        """Tell whether a client is made only where there is none: behind a question about it."""
        if self.first_time(step):
            return True
        conditions = self.flow.conditions(step.call.node, step.function)
        for call, inside in step.trail:
            conditions += self.flow.conditions(call.node, inside)
        return any(re.search(r"(?i)socket|\b(sio|io|client|connection)\b", c) for c in conditions)

    def closes(self, calls: Iterable[Call]) -> bool:
        """Tell whether calls close a client."""
        return any(
            call.name in CLOSES or call.name == "removeAllListeners" for call in calls
        ) or any(TIDY.search(call.name) for call in calls if not call.new)

    def is_function(self, node: SgNode) -> bool:
        """Tell whether an argument can be a function."""
        node = unwrap(node)
        return node.kind() in (*FUNCTIONS, "identifier", "member_expression", "call_expression")

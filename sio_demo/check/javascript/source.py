"""What all rules for one JavaScript source share."""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from ast_grep_py import SgNode

from ..calls import Call, Step, call_of
from ..nodes import holds, label, last_name, span, text, unwrap
from ..shared import Reporter, word_set
from .flow import Flow
from .roles import CHAINED, CLIENTS, REGISTERS, REMOVES, Role, Roles
from .script import Ask, Script, bindings_of_parameters, text_of_string

TIDY = re.compile(
    r"(?i)clean|unsub|off$|^off|disconn|close|leave|remove|dispose|destroy|tear_?down|stop|detach|"
    r"reset|unregister|unlisten|unbind|unmount|abort|clear|kill|shutdown|terminate|^end$"
)
_START = re.compile(r"(?s)(?:[\"'`]([^\"'`$]*))?.*")
_SUBSCRIBED = re.compile(  # a method of NestJS for an event
    r"@SubscribeMessage\([^()]{0,99}\)(?:\s*@\w+\([^()]{0,99}\))*\s+(?:public |async )*(\w+)\("
)
_STREAMED = word_set(
    "data end close error drain timeout ready open lookup secureConnect ping pong "
    "finish pipe readable listening upgrade connection exit"
)


@dataclass(frozen=True)
class EventHandler:
    event: str
    call: Call
    target: SgNode
    function: SgNode


@dataclass(frozen=True)
class Entry:
    """An exported function that another file runs; parameter `peer` is the server's socket."""

    module: str
    name: str
    when: str  # "connection", "event", "mount", "request", or of a reconnection, as "connect"
    peer: int = -1
    event: str = ""  # of which client, if `when` is "listens" or "removes"
    handles: str = ""  # the event of the handler that runs it


class Source:
    """A source, the functions in it that others run, and what several rules ask of it."""

    def __init__(
        self,
        script: Script,
        ask: Ask,
        report: Reporter = lambda *_, **__: None,
        entries: Collection[Entry] = (),
        made_once: bool = False,
    ) -> None:
        self.script = script
        self.roles = Roles(script, ask)
        self.flow = Flow(script)
        self.entries = entries
        self.ask = ask
        self.made_once = made_once  # as a root component
        self.instances = script.page.instances if script.page else ()
        self.report_node = report
        self.reported: set[SgNode] = set()
        for function, entry in self.run_elsewhere("connection"):
            self.roles.peers[function] = entry.peer
        self.disconnections = script.functions.get("handleDisconnect", [])  # of NestJS
        if "@WebSocketGateway" in script.text:
            self.roles.peers.update(dict.fromkeys(script.functions["handleConnection"], 0))
        calls = filter(self.roles.is_server_connection, script.called(*REGISTERS))
        registered = [f for c in calls if (f := self.flow.function_of(c.args[1]))]
        self.roles.peers = dict.fromkeys(registered, 0) | self.roles.peers
        self.connections = [*self.roles.peers]  # what runs for each, here or in another file
        entered = self.run_elsewhere("event")  # what runs for each event
        self.messages = {function: entry.handles or entry.name for function, entry in entered}
        self.roles.peers.update((f, entry.peer) for f, entry in entered if entry.peer >= 0)
        for name in _SUBSCRIBED.findall(script.text):
            for function in script.functions.get(name, ()):
                given = (p for p in bindings_of_parameters(function) if "Socket" in p.type)
                self.roles.peers.update((function, p.index) for p in given)
                self.messages[function] = name

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
        target = unwrap(target)
        if target.kind() == "identifier":
            binding = self.script.resolve(target)
            return binding.values if binding else []
        path = self.script.path(target)
        found = self.script.members.get(path, [])
        if not found and path[:1] == ("this",) and path[1:-1] in ((), ("state",)):
            found = self.script.properties.get(path[-1], [])
        return found

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
        return any(
            self._creates(call_of(origin), root, regions)
            for origin in self.origins(root)
            if origin.kind() in ("call_expression", "new_expression")
        )

    def _creates(self, call: Call, root: SgNode, regions: Collection[SgNode]) -> bool:
        """Return whether a call, or a function that it calls, creates a client in some code."""
        if call.target is not None and self.roles.of(call.target) is Role.MANAGER:
            return self.fresh(call.target, regions)  # as new as its manager
        known = call.name in self.script.functions
        return (
            any(holds(region, call.node) for region in regions)
            and (call.new or known or self.roles.makes_client(call))
            and not self._may_be_kept(call.node, root)
        )

    def _may_be_kept(self, origin: SgNode, root: SgNode) -> bool:
        """Return whether a client is created only if there is none: it may be the old one."""
        asked = (a.field("condition") for a in origin.ancestors() if a.kind() == "if_statement")
        conditions = " ".join(text(condition) for condition in asked).replace("?.", ".")
        kept = text(label(origin.parent(), "left"))
        return root.text() in conditions or (kept != "" and kept in conditions)

    def reconnects(self, target: SgNode) -> bool:
        """Return whether automatic reconnection is not switched off."""
        return not any(
            re.search(r"reconnection['\"]?\s*:\s*false", origin.text())
            for origin in self.origins(self.root_of(target))
        )

    def report(self, call: Call, rule: str, message: str, **names: str) -> None:
        """Report a call, once; a chained call at its own part of the chain."""
        if call.node in self.reported:
            return
        member = call.callee.field("property") if call.name in CHAINED else None
        apart = member and member.range().start.line != call.node.range().start.line
        self.report_node(member if apart else call.node, rule, message, **names)
        self.reported.add(call.node)

    def words_for_event(self, call: Call) -> str:
        if len(call.args) > 1 and call.name != "subscribe":
            return call.args[0].text()
        return "any event" if "Any" in call.name else f"`{call.name}`"

    def event_of(self, call: Call) -> str | None:
        """Return the event of a call: a literal, or a constant such as `Events.CONNECT`."""
        if not call.args:
            return None
        node = unwrap(call.args[0])
        if node.kind() == "member_expression":
            return last_name(node).lower()
        texts = (text_of_string(unwrap(value)) for value in (node, *self.values_of(node)))
        return next((text for text in texts if text is not None), None)

    def is_client(self, target: SgNode | None, event: str | None = None) -> bool:
        """Return whether a listener on `target` is on a Socket.IO client or its manager."""
        role = self.roles.of(target)
        sure = self.roles.client_imported or self.roles.in_browser or event not in _STREAMED
        return role in (Role.CLIENT, Role.MANAGER) or (role is Role.MAYBE and sure)

    def listens(self, call: Call) -> bool:
        needed = 1 if "Any" in call.name else 2
        registers = call.name in REGISTERS and call.target and len(call.args) >= needed
        return bool(registers) and self.is_client(call.target, self.event_of(call))

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
        found = []
        for call in self.script.called(*REGISTERS):
            client = self.roles.of(call.target) in (*CLIENTS, Role.MANAGER) and len(call.args) > 1
            if call.target is None or not client or self.roles.is_server_connection(call):
                continue
            event, function = self.event_of(call), self.flow.function_of(call.args[1])
            if event is not None and function is not None:
                found.append(EventHandler(event, call, call.target, function))
        return sorted(found, key=lambda handler: handler.call.start)

    def run_elsewhere(self, when: str) -> list[tuple[SgNode, Entry]]:
        entries = (entry for entry in self.entries if entry.when == when)
        return [(function, e) for e in entries for function in self.flow.exported(e.name)]

    def first_time(self, step: Step) -> bool:
        """Return whether a step is guarded, or a call that leads to it."""
        return any(self.flow.guarded(*place) for place in step.way)

    def makes_once(self, step: Step) -> bool:
        """Return whether a client is created under a condition about an existing one."""
        found = [text for place in step.way for _, text in self.flow.conditions(*place)]
        if any(re.search(r"\.(connected|active)\b", condition) for condition in found):
            return False  # one that is cut off comes back, and then there are two
        about = re.compile(r"(?i)socket|\b(s?io|ws|client|connection)\b")
        return self.first_time(step) or any(map(about.search, found))

    def removed_before(self, call: Call, calls: Iterable[Call]) -> bool:
        """Return whether code before a call removes the listener, or looks at `_callbacks`."""
        before = span(call.target or call.node)[1]
        home = self.script.enclosing(call.node) or self.script.root
        asked = "_callbacks" in home.text()[: before - span(home)[0]]
        return asked or self.removed(call, (other for other in calls if other.end <= before))

    def removed(self, call: Call, calls: Iterable[Call]) -> bool:
        emitter = self.root_of(call.target or call.node).text()
        roots = ((c, self.root_of(c.target)) for c in calls if c.name in REMOVES and c.target)
        return any(
            (root.text() == emitter or self.roles.of(root) in (*CLIENTS, Role.MANAGER))
            and self.takes_off(other, call)
            for other, root in roots
        )

    def takes_off(self, removes: Call, adds: Call) -> bool:
        apart = ("Any" in removes.name) != ("Any" in adds.name)  # what `onAny` adds
        same = not removes.args or self._same_event(removes, adds)
        apart = apart or self.other_client(removes.target, adds.target)
        return same and not apart and not self._wrong_function(removes, adds)

    def _same_event(self, one: Call, two: Call) -> bool:
        """Return whether two calls can be for the same event; a variable can be any."""
        first, second = map(self.event_of, (one, two))
        if first is None or second is None:  # `room:${id}` begins with "room:"
            starts = [_START.sub(r"\1", call.args[0].text()) for call in (one, two)]
            return starts[0].startswith(starts[1]) or starts[1].startswith(starts[0])
        if all(unwrap(call.args[0]).kind() == "string" for call in (one, two)):
            return first == second
        plain = [re.sub(r"[\W_]", "", event).lower() for event in (first, second)]
        return plain[0] == plain[1]  # `Events.JOIN_ROOM` is "join-room"

    def other_client(self, one: SgNode | None, two: SgNode | None) -> bool:
        """Return whether two expressions are imported, or made, as different clients."""
        found = [self._made(self.root_of(node)) if node else None for node in (one, two)]
        return None not in found and found[0] != found[1]

    def _made(self, node: SgNode) -> object:
        binding = self.script.resolve(node) if node.kind() == "identifier" else None
        if binding is not None and binding.module:
            return binding.module, binding.imported
        value = unwrap(binding.values[0]) if binding and len(binding.values) == 1 else node
        made = value.kind() in ("call_expression", "new_expression")
        return value if made and self.roles.makes_client(call_of(value)) else None

    def _wrong_function(self, removes: Call, adds: Call) -> bool:
        """Return whether `off` gets a function that was never added."""
        at = 0 if "Any" in removes.name else 1
        if len(removes.args) <= at or len(adds.args) <= at:
            return False
        functions = [unwrap(adds.args[at]), unwrap(removes.args[at])]
        for function in functions:
            bound = function.kind() == "call_expression" and ".bind(" in function.text()
            if bound or function.kind() in ("arrow_function", "function_expression"):
                return True
        one, two = map(self.flow.function_of, functions)
        given = [b for f in functions if (b := self.script.resolve(f)) and b.kind == "parameter"]
        if len(given) == 2:  # such as two properties of a component
            return given[0].scope == given[1].scope and given[0].node != given[1].node
        return one is not None and two is not None and one != two

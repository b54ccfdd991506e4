"""What an expression is: a client, a server, the server's end of a connection, or neither."""

from functools import cached_property

from ast_grep_py import SgNode

from ..calls import Call, call_of
from ..nodes import last_name, text, unwrap
from ..shared import word_set
from .bindings import Binding, required_module
from .facts import CHAINED, CLIENTS, FOLLOW_DEPTH, HOLDERS, MOST_VALUES, REGISTERS, Facts, Role
from .naming import is_client_module, is_server_module, names_a_client, names_a_server
from .script import FUNCTIONS, Script

_MAKES = word_set("io connect default lookup")
_ALTERNATIVES = {  # expressions whose value is that of one of their fields
    "binary_expression": ("left", "right"),
    "ternary_expression": ("consequence", "alternative"),
    "assignment_expression": ("left", "right"),
    "augmented_assignment_expression": ("left", "right"),
    "sequence_expression": ("left", "right"),
}
_MEMBERS: dict[str, dict[Role | None, Role]] = {  # by the role of the object
    "io": dict.fromkeys(CLIENTS, Role.MANAGER),
    "engine": dict.fromkeys((Role.MANAGER, *CLIENTS, Role.SERVER), Role.ENGINE),
    "sockets": dict.fromkeys((Role.SERVER, Role.MAKER), Role.SERVER),
    "default": {Role.MAKER: Role.MAKER},
    "Socket": {Role.MAKER: Role.MAKER},
    "Manager": {Role.MAKER: Role.MANAGER_MAKER},
}
_ROOMS = word_set("to in except")
_METHODS: dict[Role | None, dict[str, Role]] = {
    Role.MAKER: dict.fromkeys(_MAKES, Role.CLIENT),
    Role.MANAGER: {"socket": Role.CLIENT},
    Role.PEER: dict.fromkeys(_ROOMS, Role.PEER),
    Role.SERVER: dict.fromkeys(_ROOMS | {"of"}, Role.SERVER),
    Role.SERVER_MAKER: dict.fromkeys(word_set("listen default attach"), Role.SERVER),
}


class Roles:
    """The roles of expressions in one source."""

    def __init__(self, script: Script, client_script: bool = False) -> None:
        self.script = script
        self.facts = Facts(script, client_script)
        self._known: dict[SgNode, Role | None] = {}
        self._busy: set[SgNode] = set()
        self.peers: dict[SgNode, int] = {}  # connection handlers, and which parameter is the socket

    def of(self, node: SgNode) -> Role | None:
        node = unwrap(node)
        if node not in self._known and node not in self._busy and len(self._busy) < FOLLOW_DEPTH:
            self._busy.add(node)
            role = self._of(node)
            if role is None and node.text() in self.facts.used_as_clients:
                role = Role.MAYBE
            self._busy.discard(node)
            if role is not None or not self._busy:  # else it may depend on what is busy
                self._known[node] = role
        return self._known.get(node)

    def _of(self, node: SgNode) -> Role | None:
        kind = node.kind()
        if kind == "identifier":
            return self._of_name(node)
        if kind == "member_expression":
            return self._of_member(node)
        if kind == "call_expression":
            return self._of_call(call_of(node))
        if kind == "new_expression":
            return self._of_new(call_of(node))
        if kind == "binary_expression" and text(node.field("operator")) not in ("||", "&&", "??"):
            return None
        if fields := _ALTERNATIVES.get(kind):
            return self._first([found for found in map(node.field, fields) if found])
        return None

    def _first(self, nodes: list[SgNode]) -> Role | None:
        found = [role for node in nodes[:MOST_VALUES] if (role := self.of(node))]
        sure = [role for role in found if role is not Role.MAYBE]
        return (sure or found or [None])[0]

    def _of_name(self, node: SgNode) -> Role | None:
        name = node.text()
        binding = self.script.resolve(node)
        if binding is None:
            return Role.MAKER if name in ("io", "socketIOClient") else self.facts.by_name(name)
        return self._of_binding(binding)

    def _of_binding(self, binding: Binding) -> Role | None:
        if binding.module:
            return self.facts.by_import(binding)
        role = self._first(binding.values)
        if role in (Role.OTHER, None) and binding.kind == "parameter":
            role = self._of_parameter(binding) or role
        if role or binding.kind == "function" or any(v.kind() in FUNCTIONS for v in binding.values):
            return role
        return self.facts.by_name(binding.key if len(binding.key) > 1 else binding.name)

    def _returned_by(self, node: SgNode) -> SgNode | None:
        """Return the first expression that a function returns."""
        node = unwrap(node)
        returned = self.script.returns(node) if node.kind() in FUNCTIONS else []
        return returned[0] if returned else None

    def _of_parameter(self, binding: Binding) -> Role | None:
        function = binding.scope
        if function is None or binding.key:
            return None
        if function in self.peers or self._takes_connection(function):
            return Role.PEER if binding.index == self.peers.get(function, 0) else None
        name = self.script.names_of_functions.get(function)
        calls = self.script.called(name) if name else []
        role = self._first([c.args[binding.index] for c in calls if len(c.args) > binding.index])
        return role if role is not Role.MAYBE else None

    def _takes_connection(self, function: SgNode) -> bool:
        """Return whether a server calls a function with every connection."""
        parent = function.parent()
        if parent and parent.kind() == "arguments" and (outer := parent.parent()):
            call = call_of(outer)
            return self.is_server_connection(call) or (
                call.name == "use" and call.target is not None and self.is_server(call.target)
            )
        name = self.script.names_of_functions.get(function)
        calls = (c for c in self.script.called("on", "once") if len(c.args) == 2)
        return any(last_name(c.args[1]) == name and self.is_server_connection(c) for c in calls)

    @cached_property
    def _makers(self) -> set[str]:
        """The names by which clients can be created."""
        imported = {b.name for b in self.script.bindings.values() if is_client_module(b.module)}
        return imported | _MAKES | {"socketIOClient", "Socket", "Manager"}

    def makes_client(self, call: Call) -> bool:
        """Return whether a call creates a client: `io(...)`, `io.connect(...)`."""
        if call.name not in self._makers and call.callee.kind() != "call_expression":
            return False
        role = self.of(call.node)
        if call.new or role is not Role.CLIENT:
            return call.new and role in (Role.CLIENT, Role.MANAGER)
        if self.of(call.callee) is Role.MAKER:
            return True
        target = call.target if call.name in _MAKES else None
        return target is not None and (
            self.of(target) is Role.MAKER or self.is_shadowed_maker(target)
        )

    def is_server(self, node: SgNode) -> bool:
        """Return whether an expression is a server or one of its namespaces."""
        role = self.of(node)
        if role is not None:
            return role is Role.SERVER or (role is Role.MAKER and not self.facts.client_imported)
        path = self.script.path(node)
        return bool(path and names_a_server(path[-1]) and not self.facts.other_imported)

    def is_server_connection(self, call: Call) -> bool:
        """Return whether a call registers a connection handler on a server."""
        if call.name not in REGISTERS or call.target is None or len(call.args) < 2:
            return False
        event = call.args[0].text().strip("\"'`")
        if event not in ("connection", "connect"):
            return False
        if event == "connection" and self.of(call.target) in (Role.MAKER, Role.MAYBE):
            return not self.facts.other_imported
        return self.is_server(call.target)

    def _of_member(self, node: SgNode) -> Role | None:
        inner, member = node.field("object"), node.field("property")
        if inner is None or member is None:
            return None
        name, owner = member.text(), self.of(inner)
        if found := _MEMBERS.get(name, {}).get(owner):
            return found
        if name == "sockets" and (owner or self.is_server(inner)):
            return Role.OTHER if owner else Role.SERVER
        if name == "io" and inner.text() in ("window", "globalThis", "self", "root", "global"):
            return Role.MAKER
        return self._of_path(node, name)

    def _of_path(self, node: SgNode, name: str) -> Role | None:
        path = self.script.path(node)
        if path is None:
            return self.facts.by_name(name)
        values = list(self.script.members.get(path, ()))
        if not values and path[0] != "this" and names_a_client(name):
            values += self.script.properties.get(name, ())
        if role := self._first(values):
            return role
        if name in ("current", "value"):
            name = path[-2]
        return self.facts.by_name(name)

    def _of_call(self, call: Call) -> Role | None:
        if call.name in ("require", "import"):
            module = required_module(call.node)
            if is_client_module(module):
                return Role.MAKER
            return Role.SERVER_MAKER if is_server_module(module) else None
        if call.target is not None and (role := self._of_method(call)) is not None:
            return role
        role = self.of(call.callee)
        if role is Role.MAKER:
            return Role.CLIENT
        if role is Role.SERVER_MAKER and call.target is None:
            return Role.SERVER
        if call.name in HOLDERS:
            for argument in call.args[:1]:
                if role := self.of(self._returned_by(argument) or argument):
                    return role
        for function in self.script.functions.get(call.name, ())[:2]:
            value = self._returned_by(function)
            if value is not None and (role := self.of(value)):
                return role
        return self.facts.by_name(call.name) if "ocket" in call.node.text()[:60] else None

    def _of_method(self, call: Call) -> Role | None:
        assert call.target is not None
        role = self.of(call.target)
        if found := _METHODS.get(role, {}).get(call.name):
            return found
        if call.name in CHAINED and role not in (None, Role.MAKER, Role.SERVER_MAKER, Role.OTHER):
            return role
        if call.name == "connect" and self.is_shadowed_maker(call.target):
            return Role.CLIENT
        return Role.SERVER if call.name == "of" and self.is_server(call.target) else None

    def is_shadowed_maker(self, target: SgNode) -> bool:
        """Return whether this is the second `io` of `var io = io.connect(...)`."""
        if target.text() != "io" or self.facts.server_imported:
            return False
        binding = self.script.resolve(target)
        return binding is None or any(v.text().startswith("io.connect(") for v in binding.values)

    def _of_new(self, call: Call) -> Role | None:
        role = self.of(call.callee)
        made = {Role.MANAGER_MAKER: Role.MANAGER, Role.SERVER_MAKER: Role.SERVER}
        if role is Role.MAKER:
            return Role.MANAGER if call.name == "Manager" else Role.CLIENT
        return made.get(role, Role.OTHER) if role else Role.OTHER

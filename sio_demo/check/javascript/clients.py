"""Where clients are created, and whether the one in a variable is new."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cached_property

from ast_grep_py import SgNode

from ..calls import Call, call_of
from ..nodes import holds, text, unwrap
from ..shared import word_set
from .facts import CHAINED, Role
from .flow import Flow
from .naming import is_client_module
from .roles import Roles
from .script import Script

_MAKES = word_set("io connect default lookup")
_MAKER_NAME = re.compile(r"(?i)(create|init|make|open|connect|new|start|build|io$)")


class Clients:
    """The clients in one source."""

    def __init__(self, script: Script, client_script: bool) -> None:
        self.script = script
        self.roles = Roles(script, client_script)
        self.flow = Flow(script)

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
            return self.makes_client(call_of(root))
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
        return self._is_parameter_within(root, regions)

    def _creates_client(self, call: Call) -> bool:
        """Return whether a call creates a client, or calls a function that does."""
        known = call.name in self.script.functions and _MAKER_NAME.match(call.name) is not None
        return call.new or known or self.makes_client(call)

    def _may_be_kept(self, origin: SgNode, root: SgNode) -> bool:
        """Return whether a client is created only if there is none: it may be the old one."""
        for ancestor in origin.ancestors():
            if holds(ancestor, root):
                return False
            condition = ancestor.field("condition") if ancestor.kind() == "if_statement" else None
            if root.text() in text(condition).replace("?.", "."):
                return True
        return False

    def _is_parameter_within(self, root: SgNode, regions: Collection[SgNode]) -> bool:
        binding = self.script.resolve(root) if root.kind() == "identifier" else None
        scope = binding.scope if binding is not None and binding.kind == "parameter" else None
        if scope is None or self.script.names_of_functions.get(scope):
            return False
        return any(holds(region, scope) for region in regions)

    @cached_property
    def _makers(self) -> set[str]:
        """The names by which clients can be created."""
        imported = {b.name for b in self.script.bindings.values() if is_client_module(b.module)}
        return imported | _MAKES | {"socketIOClient", "Socket", "Manager"}

    def makes_client(self, call: Call) -> bool:
        """Return whether a call creates a client: `io(...)`, `io.connect(...)`."""
        if call.name not in self._makers and call.callee.kind() != "call_expression":
            return False
        role = self.roles.of(call.node)
        if call.new or role is not Role.CLIENT:
            return call.new and role in (Role.CLIENT, Role.MANAGER)
        if self.roles.of(call.callee) is Role.MAKER:
            return True
        target = call.target if call.name in _MAKES else None
        return target is not None and (
            self.roles.of(target) is Role.MAKER or self.roles.is_shadowed_maker(target)
        )

    def reconnects(self, target: SgNode) -> bool:
        """Return whether automatic reconnection is not switched off."""
        return not any(
            re.search(r"reconnection['\"]?\s*:\s*false", origin.text())
            for origin in self.origins(self.root_of(target))
        )

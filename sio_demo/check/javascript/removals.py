"""Whether listeners are removed again."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ast_grep_py import SgNode

from ..calls import Call, Step
from ..nodes import last_name, span, unwrap
from .clients import Clients
from .facts import CLIENTS, Role
from .flow import REMOVES
from .script import text_of_string


class Removals(Clients):
    """The clients in one source, and whether their listeners are removed."""

    def removed_before(self, call: Call, steps: Iterable[Step]) -> bool:
        """Return whether a removal that runs before a call takes off the listener that it adds.

        Emptying the client's private `_callbacks` counts too.
        """
        before = call.start if call.target is None else span(call.target)[1]
        home = self.script.enclosing(call.node) or self.script.root
        if "._callbacks" in home.text()[: before - span(home)[0]]:
            return True
        removing = [step.call for step in steps if step.call.end <= before]
        return self.removed(call, removing)

    def removed(self, call: Call, steps: Iterable[Call]) -> bool:
        """Return whether one of the calls removes the listener that a call adds."""
        return any(
            other.name in REMOVES
            and self._same_target(other.target, call.target)
            and self.takes_off(other, call)
            for other in steps
        )

    def takes_off(self, removes: Call, adds: Call) -> bool:
        """Return whether an `off` removes what an `on` adds."""
        if not removes.args:
            return True
        same = bool(adds.args) and self.same_event(removes.args[0], adds.args[0])
        return same and not self._wrong_function(adds, removes)

    def _same_target(self, one: SgNode | None, two: SgNode | None) -> bool:
        if one is None or two is None:
            return False
        a, b = self.root_of(one), self.root_of(two)
        return a.text() == b.text() or self.roles.of(a) in (*CLIENTS, Role.MANAGER)

    def same_event(self, node: SgNode, event: SgNode) -> bool:
        """Return whether two expressions can be the same event; a variable can be any."""
        literals = [text_of_string(unwrap(n)) for n in (node, event)]
        if None not in literals:
            return literals[0] == literals[1]
        one, two = (self._name_of(unwrap(n)) for n in (node, event))
        return one is None or two is None or one == two

    def _name_of(self, node: SgNode) -> str | None:
        """Return the event of a literal, or of a constant such as `Events.JOIN_ROOM`."""
        if (text := text_of_string(node)) is None and node.kind() == "member_expression":
            text = last_name(node)
        return re.sub(r"[\W_]", "", text).lower() if text is not None else None

    def _wrong_function(self, adds: Call, removes: Call) -> bool:
        """Return whether `off` gets a function that was never added."""
        if len(removes.args) < 2 or len(adds.args) < 2:
            return False
        functions = (unwrap(adds.args[1]), unwrap(removes.args[1]))
        if any(f.kind() in ("arrow_function", "function_expression") for f in functions):
            return True
        if any(f.kind() == "call_expression" and ".bind(" in f.text() for f in functions):
            return True
        one, two = map(self.flow.function_of, functions)
        return one is not None and two is not None and one != two

"""What a source shows without following values: modules, types, names."""

import re
from enum import Enum
from functools import cached_property

from ..shared import word_set
from .bindings import Binding, required_module
from .naming import is_client_module, is_other_library, is_server_module, names_a_client
from .script import Script


class Role(Enum):
    """What an expression can be. MAYBE only has the name of a client."""

    CLIENT = "client"
    MAYBE = "maybe a client"
    MANAGER = "manager of a client"
    ENGINE = "engine below a client"
    MAKER = "makes clients"
    MANAGER_MAKER = "makes managers"
    SERVER = "server or namespace"
    SERVER_MAKER = "makes servers"
    PEER = "server's end of a connection"
    OTHER = "something else"


CLIENTS = (Role.CLIENT, Role.MAYBE)
_INTERFACES = re.compile(r"(react|preact|vue|svelte|next|nuxt|@angular|@ionic|solid-js)\b")
_CONNECTS = re.compile(
    r"(?<![\w$.])([\w$.]{1,99})\.on\(\s{0,99}['\"](?:connect|connect_error|reconnect)['\"]"
)
_EMITS = re.compile(r"(?<![\w$.])([\w$.]{1,99})\.emit\(")
_EMITTER = re.compile(r"(?i)^(this|self|that)$|emitter|bus$|event_?s?$|hub$")
_LOCAL = re.compile(r"[./~$#]|src\b|@(?!types/|nestjs/|feathersjs/|hocuspocus/)|[\w-]+/")
FOLLOW_DEPTH = 16  # how many names are followed through others
MOST_VALUES = 6  # how many of the values assigned to a name are looked at
HOLDERS = word_set(
    "useMemo useState computed reactive markRaw shallowReactive readonly toRaw inject"
)
CHAINED = word_set(
    "on once off emit addListener addEventListener prependListener removeListener connect open "
    "removeAllListeners removeEventListener send compress timeout onAny prependAny"
)
REGISTERS = word_set(
    "on once addListener addEventListener prependListener onAny prependAny prependOnceListener"
    " onAnyOutgoing"
)


class Facts:
    """The modules of a source, and what its types and names mean."""

    def __init__(self, script: Script, client_script: bool = False) -> None:
        self.script = script
        self._client_script = client_script

    @cached_property
    def modules(self) -> set[str]:
        """The modules that are imported or required."""
        loads = self.script.called("require", "import")
        named = {binding.module for binding in self.script.bindings.values()}
        return (named | {required_module(call.node) for call in loads}) - {""}

    @cached_property
    def client_imported(self) -> bool:
        return self._client_script or any(is_client_module(m) for m in self.modules)

    @cached_property
    def server_imported(self) -> bool:
        return any(is_server_module(m) for m in self.modules)

    @cached_property
    def other_imported(self) -> bool:
        """Whether a library with another kind of sockets is imported."""
        return any(is_other_library(m) for m in self.modules)

    @cached_property
    def in_browser(self) -> bool:
        """Whether a user interface library is imported; there sockets are not streams."""
        return any(_INTERFACES.match(module) for module in self.modules)

    @cached_property
    def used_as_clients(self) -> set[str]:
        """The expressions that listen for `connect` and emit: clients, whatever their names."""
        if not self.in_browser or (self.other_imported and not self.client_imported):
            return set()
        text = self.script.text
        used = set(_CONNECTS.findall(text)) & set(_EMITS.findall(text))
        return {name for name in used if not _EMITTER.search(name)}

    def by_name(self, name: str) -> Role | None:
        """Return MAYBE for a name that is likely a client's, unless another library explains it."""
        explained = self.other_imported and not self.client_imported
        return Role.MAYBE if names_a_client(name) and not explained else None

    def by_import(self, binding: Binding) -> Role | None:
        """Return the role of an imported name."""
        module, imported = binding.module, binding.imported
        if is_client_module(module):
            if imported == "Manager":
                return Role.MANAGER_MAKER
            return Role.MAKER if imported != "Socket" or "ngx" in module else None
        if is_server_module(module):
            return Role.SERVER_MAKER if imported in ("default", "*", "Server") else None
        if is_other_library(module):
            return Role.OTHER
        if not _LOCAL.match(module):
            return None
        return self.by_name(binding.name) or self.by_name(imported)

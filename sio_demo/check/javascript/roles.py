"""What an expression is: a client, a server, the server's end of a connection, or neither."""

import re
from enum import Enum
from functools import cache, partial

from ast_grep_py import SgNode

from ..calls import Call, call_of
from ..nodes import text, unwrap
from ..shared import word_set
from .script import ASSIGNMENTS, FUNCTIONS, Ask, Binding, Script, required_module

_OTHER_LIBRARIES = re.compile(
    r"^(node:)?(ws|net|tls|dgram|http2|mqtt|async-mqtt|sockjs-client|phoenix|primus|nats|zeromq|"
    r"reconnecting-websocket|isomorphic-ws|websocket|@stomp/.*|stompjs|webstomp-client|ably|"
    r"pusher-js|centrifuge|socketcluster-client|react-native-tcp-socket|engine\.io-client|"
    r"@rails/actioncable|actioncable|@whiskeysockets/.*|@adiwajshing/.*|partysocket|"
    r"react-use-websocket|uWebSockets\.js|bullmq|@supabase/.*|laravel-echo|deepstream.*|"
    r"simple-websocket|faye-websocket|autobahn|colyseus.*|rpc-websockets|faye)$"
)
_CLIENT_NAME = re.compile(r"(?i)socket|^(sio|\$io|io_?client|client_?io)$")
_NOT_A_CLIENT = re.compile(
    r"(?i)web_?socket(?!io)|tcp|udp|\bnet_?socket|unix_?socket|raw_?socket|tls|zmq|server_?socket|"
    r"socket(io)?_?server|socket_?(path|id|url|file|s|map|list|status|state|error|type|port|host|"
    r"events?|options|config|name)$|^use_?socket$"
)
_SERVER_NAME = re.compile(
    r"(?i)^(ios|s?io|io_?server|socket(io)?_?server|namespaces|sockets|"
    r".*(namespace|nsp|socket_?io|_io|(?-i:[a-z\d]I[oO])))$"  # `chatIO`, and not `audio`
)


def is_client_module(module: str) -> bool:
    """Return whether a module is socket.io-client, or a wrapper of it."""
    module = module.lower()  # on some file systems case does not matter
    return module.startswith(("socket.io-client", "ngx-socket-io")) or (
        "socket.io" in module and (".esm" in module or "cdn" in module or "/socket.io.js" in module)
    )


def is_server_module(module: str) -> bool:
    return module.lower() == "socket.io" or module.startswith("socket.io/dist")


def names_a_client(name: str) -> bool:
    return _CLIENT_NAME.search(name) is not None and _NOT_A_CLIENT.search(name) is None


class Role(Enum):
    """What an expression can be. MAYBE only has the name of a client."""

    CLIENT = "client"
    MAYBE = "maybe a client"
    MANAGER = "manager of a client"
    ENGINE = "engine below a client"
    MAKER = "makes clients"
    SERVER = "server or namespace"
    SERVER_MAKER = "makes servers"
    PEER = "server's end of a connection"
    OTHER = "something else"


CLIENTS = (Role.CLIENT, Role.MAYBE)
_INTERFACES = re.compile(r"(react|preact|vue|svelte|next|nuxt|@angular|@ionic|solid-js)\b")
_GETS_SOCKET = re.compile(
    r"(?:async\s*)?(?:function\b\s*\w*\s*)?\(?\s*\b(\w+)\b[^{=]*[{=][\s\S]*\b\1\.(on|emit|join)\("
)
LOCAL = re.compile(r"[./~$#]|src\b|@(?!types/|nestjs/|feathersjs/|hocuspocus/)|[\w-]+/")
OBSERVABLE = re.compile(r"\bnew Observable\b|\bObservable\.create\(")
_FOLLOW_DEPTH = 16  # how many names are followed through others
_MOST_VALUES = 6  # how many of the values assigned to a name are looked at
HOLDERS = word_set(
    "useMemo useState computed reactive markRaw shallowReactive readonly toRaw inject"
)
REMOVES = word_set("off removeListener removeEventListener removeAllListeners offAny unsyncUpdates")
CLOSES = word_set("disconnect close destroy end terminate")
LASTING = word_set("on addListener addEventListener prependListener syncUpdates")
OF_JQUERY = word_set("click dblclick submit change keydown keypress keyup focus blur")
OF_ANY = word_set("onAny prependAny onAnyOutgoing")
REGISTERS = LASTING | OF_ANY | word_set("once prependOnceListener")
CHAINED = REGISTERS | REMOVES | word_set("emit connect open send compress timeout")
_MAKES = word_set("io connect default lookup")
_ALTERNATIVES = {  # expressions whose value is that of one of their fields
    **dict.fromkeys((*ASSIGNMENTS, "binary_expression", "sequence_expression"), ("left", "right")),
    "ternary_expression": ("consequence", "alternative"),
}
_MEMBERS: dict[str, dict[Role | None, Role]] = {  # by the role of the object
    "io": dict.fromkeys(CLIENTS, Role.MANAGER),
    "engine": dict.fromkeys((Role.MANAGER, *CLIENTS, Role.SERVER), Role.ENGINE),
    "sockets": dict.fromkeys((Role.SERVER, Role.MAKER), Role.SERVER),
    "default": {Role.MAKER: Role.MAKER},
    "Socket": {Role.MAKER: Role.MAKER},
    "Manager": {Role.MAKER: Role.MAKER},
}
_ROOMS = word_set("to in except")
_METHODS: dict[Role | None, dict[str, Role]] = {
    Role.MAKER: dict.fromkeys(_MAKES, Role.CLIENT),
    Role.MANAGER: {"socket": Role.CLIENT},
    Role.PEER: dict.fromkeys(_ROOMS, Role.PEER),
    Role.SERVER: dict.fromkeys(_ROOMS | {"of"}, Role.SERVER),
    Role.SERVER_MAKER: dict.fromkeys(word_set("listen default attach"), Role.SERVER),
}


def exports_client(script: Script, name: str, ask: Ask) -> bool:
    """Return whether a file exports a client, or a function that returns its only one."""
    roles = Roles(script, ask)
    handed = script.bindings.get((None, name))
    if handed is not None and handed.module:
        return ask(exports_client, handed.module, handed.imported)
    returned = (r for f in script.functions.get(name, ())[:1] for r in script.returns(f))
    kept = [r for r in returned if (b := script.resolve(r)) is not None and b.scope is None]
    return Role.CLIENT in map(roles.of, (*script.exported(name), *kept))


class Roles:
    def __init__(self, script: Script, ask: Ask) -> None:
        self.script = script
        self._exports_client = cache(partial(ask, exports_client))
        self._known: dict[SgNode, Role | None] = {}
        self._busy: set[SgNode] = set()
        self.peers: dict[SgNode, int] = {}  # connection handlers, and which parameter is the socket
        named = {binding.module for binding in script.bindings.values()}
        named |= {required_module(call.node) for call in script.called("require", "import")}
        self.modules = named - {""}
        self._makers = {b.name for b in script.bindings.values() if is_client_module(b.module)}
        self._makers |= _MAKES | {"socketIOClient", "Socket", "Manager"}
        loaded = script.page is not None and script.page.client_script
        self.client_imported = loaded or any(map(is_client_module, self.modules))
        self.server_imported = any(map(is_server_module, self.modules))
        self.other_imported = any(map(_OTHER_LIBRARIES.match, self.modules))  # with other sockets
        self._explained = self.other_imported and not self.client_imported
        interface = any(map(_INTERFACES.match, self.modules))
        self.in_browser = interface or script.page is not None  # there sockets are not streams

    def _by_name(self, name: str) -> Role | None:
        return Role.MAYBE if names_a_client(name) and not self._explained else None

    def _by_import(self, binding: Binding) -> Role | None:
        module, imported = binding.module, binding.imported
        own = LOCAL.match(module) and names_a_client(binding.name)  # a client in `./socket.io.js`
        if is_client_module(module) and not own:
            return Role.MAKER if imported != "Socket" or "ngx" in module else None
        if is_server_module(module):
            return Role.SERVER_MAKER if imported in ("default", "*", "Server") else None
        role = self._by_name(binding.name) or self._by_name(imported)
        if role is None and LOCAL.match(module) and self._exports_client(module, imported):
            return Role.CLIENT
        return role

    def of(self, node: SgNode | None) -> Role | None:
        if node is None:
            return None
        node = unwrap(node)
        if node not in self._known and node not in self._busy and len(self._busy) < _FOLLOW_DEPTH:
            self._busy.add(node)
            self._known[node] = self._of(node)
            self._busy.discard(node)
        return self._known.get(node)

    def _of(self, node: SgNode) -> Role | None:
        match node.kind():
            case "identifier":
                return self._of_name(node)
            case "member_expression":
                return self._of_member(node)
            case "call_expression":
                return self._of_call(call_of(node))
            case "new_expression":
                return self._of_new(call_of(node))
        fields = _ALTERNATIVES.get(node.kind(), ())
        return self._first([found for found in map(node.field, fields) if found])

    def _first(self, nodes: list[SgNode]) -> Role | None:
        found = [role for node in nodes[:_MOST_VALUES] if (role := self.of(node))]
        sure = [role for role in found if role is not Role.MAYBE]
        return (sure or found or [None])[0]

    def _of_name(self, node: SgNode) -> Role | None:
        binding = self.script.resolve(node)
        if binding is None:
            maker = node.text() in ("io", "socketIOClient")
            return Role.MAKER if maker else self._by_name(node.text())
        if binding.module:
            return self._by_import(binding)
        if any(value.text().startswith("io.connect(") for value in binding.values):
            return Role.CLIENT  # also of `var io = io.connect(...)`
        role = self._first(binding.values)
        if role in (Role.OTHER, None) and binding.kind == "parameter":
            role = self._of_parameter(binding) or role
        if role or binding.kind == "function" or any(v.kind() in FUNCTIONS for v in binding.values):
            return role
        if self._is_type_of_client(binding.type) and not binding.key:
            return Role.CLIENT
        return self._by_name(binding.key if len(binding.key) > 1 else binding.name)

    def _is_type_of_client(self, written: str) -> bool:
        names = re.findall(r"\w+", written)[:2]
        found = (self.script.bindings.get((None, name)) for name in names)
        return any(b and b.imported == "Socket" and is_client_module(b.module) for b in found)

    def _of_parameter(self, binding: Binding) -> Role | None:
        function = binding.scope
        if function is None or binding.key:
            return None
        if function in self.peers:
            return Role.PEER if binding.index == self.peers[function] else None
        name = self.script.names_of_functions.get(function)
        calls = self.script.called(name) if name else []
        role = self._first([c.args[binding.index] for c in calls if len(c.args) > binding.index])
        return role if role is not Role.MAYBE else None

    def makes_client(self, call: Call) -> bool:
        """Return whether a call creates a client: `io(...)`, `io.connect(...)`."""
        if call.name not in self._makers and call.callee.kind() != "call_expression":
            return False
        role = self.of(call.node)
        if call.new or role is not Role.CLIENT:
            return call.new and role in (Role.CLIENT, Role.MANAGER)
        named = call.name in _MAKES
        makers = [self.of(call.callee), self.of(call.target) if named else None]
        return Role.MAKER in makers

    def is_server(self, node: SgNode | None) -> bool:
        """Return whether an expression is a server or one of its namespaces."""
        role = self.of(node)
        if role is not None:
            return role is Role.SERVER or (role is Role.MAKER and not self.client_imported)
        path = self.script.path(node)
        return bool(path and _SERVER_NAME.match(path[-1]) and not self.other_imported)

    def is_server_connection(self, call: Call) -> bool:
        if call.name not in REGISTERS or call.target is None or len(call.args) < 2:
            return False
        if call.args[0].text().strip("\"'`") not in ("connection", "connect"):
            return False
        if self.of(call.target) is Role.MAYBE:  # a client would not give its handler a socket
            return _GETS_SOCKET.match(call.args[1].text()) is not None
        return self.is_server(call.target)

    def _of_member(self, node: SgNode) -> Role | None:
        inner, name = node.field("object"), text(node.field("property"))
        owner = self.of(inner)
        if found := _MEMBERS.get(name, {}).get(owner):
            return found
        path = self.script.path(node)
        if path and (role := self._first(list(self.script.members.get(path, ())))):
            return role
        if path and self._is_type_of_client(self.script.member_types.get(path, "")):
            return Role.CLIENT
        if node.text() in ("window.io", "globalThis.io"):
            return Role.MAKER
        return self._by_name(path[-2] if path and name in ("current", "value") else name)

    def _of_call(self, call: Call) -> Role | None:
        if call.name in ("require", "import"):
            module = required_module(call.node)
            if is_client_module(module):
                return Role.MAKER
            return Role.SERVER_MAKER if is_server_module(module) else None
        if role := self._of_method(call):
            return role
        role = self.of(call.callee)
        if role in (Role.MAKER, Role.CLIENT):
            return Role.CLIENT
        if role is Role.SERVER_MAKER and call.target is None:
            return Role.SERVER
        held = call.args[:1] if call.name in HOLDERS else []
        for made in (*held, *self.script.functions.get(call.name, ())[:2]):
            if role := self.of(next(iter(self.script.returns(unwrap(made))), made)):
                return Role.CLIENT if role is Role.MAKER else role  # Angular's `inject(Socket)`
        return self._by_name(call.name) if "ocket" in call.node.text()[:60] else None

    def _of_method(self, call: Call) -> Role | None:
        role = self.of(call.target)
        if found := _METHODS.get(role, {}).get(call.name):
            return found
        if call.name in CHAINED and role not in (None, Role.MAKER, Role.SERVER_MAKER, Role.OTHER):
            return role
        return Role.SERVER if call.name == "of" and self.is_server(call.target) else None

    def _of_new(self, call: Call) -> Role | None:
        role = self.of(call.callee)
        if role is Role.MAKER:
            return Role.MANAGER if call.name == "Manager" else Role.CLIENT
        return Role.SERVER if role is Role.SERVER_MAKER else Role.OTHER

"""What names suggest: of modules, and of variables whose value is unknown."""

import re

_OTHER_LIBRARIES = re.compile(
    r"^(node:)?(ws|net|tls|dgram|http2|mqtt|async-mqtt|sockjs-client|phoenix|primus|nats|zeromq|"
    r"reconnecting-websocket|isomorphic-ws|websocket|@stomp/.*|stompjs|webstomp-client|ably|"
    r"pusher-js|centrifuge|socketcluster-client|react-native-tcp-socket|engine\.io-client|"
    r"@rails/actioncable|actioncable|@whiskeysockets/.*|@adiwajshing/.*|partysocket|"
    r"react-use-websocket|uWebSockets\.js|bullmq|@supabase/.*|laravel-echo|deepstream.*|"
    r"simple-websocket|faye-websocket|autobahn|colyseus.*|rpc-websockets|faye)$"
)
_CLIENT_NAME = re.compile(r"(?i)socket|^(sio|io_?client|client_?io)$")
_NOT_A_CLIENT = re.compile(
    r"(?i)web_?socket(?!io)|tcp|udp|\bnet_?socket|unix_?socket|raw_?socket|tls|zmq|"
    r"server_?socket|socket_?server|socketio_?server|sockets$|socket_?(path|id|url|server|file|s|"
    r"map|list|status|state|error|type|port|host|events?|options|config|name)$|^use_?socket$"
)
_SERVER_NAME = re.compile(
    r"(?i)^(_?io|sio|ios|io_?server|server_?io|socket_?io|socket_?server|socketio_?server|"
    r"nsp|namespaces?|io_?nsp|wss?io|sockets|.*_?namespace|.*nsp|.*io)$"
)


def is_client_module(module: str) -> bool:
    """Return whether a module is socket.io-client, or a wrapper of it."""
    module = module.lower()  # on some file systems case does not matter
    return module.startswith(("socket.io-client", "ngx-socket-io")) or (
        "socket.io" in module and (".esm" in module or "cdn" in module or "/socket.io.js" in module)
    )


def is_server_module(module: str) -> bool:
    return module.lower() == "socket.io" or module.startswith("socket.io/dist")


def is_other_library(module: str) -> bool:
    """Return whether a module has another kind of sockets."""
    return _OTHER_LIBRARIES.match(module) is not None


def names_a_client(name: str) -> bool:
    return _CLIENT_NAME.search(name) is not None and _NOT_A_CLIENT.search(name) is None


def names_a_server(name: str) -> bool:
    return _SERVER_NAME.match(name) is not None

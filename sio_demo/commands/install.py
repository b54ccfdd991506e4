"""``sio-demo install``: install socket.io-client for Node.js in your cache directory, once."""


def add(_: object) -> None:
    """Take no arguments."""


def run(_: object) -> int:
    from ..lab import packages

    packages.install()
    print(f"socket.io-client is in {packages.folder()}")
    return 0

"""The bench: a real server, a real network that breaks, real clients."""

HOST = "127.0.0.1"  # where all of it listens

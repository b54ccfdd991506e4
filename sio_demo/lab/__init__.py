"""The bench: a real server, a real network that breaks, real clients."""

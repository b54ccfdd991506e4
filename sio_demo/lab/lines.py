"""Lines out of a stream of bytes; no I/O."""


class LineSplitter:
    """Splits bytes at line feeds, wherever the system has cut them into pieces."""

    def __init__(self) -> None:
        self._unfinished = bytearray()

    def feed(self, data: bytes) -> list[bytearray]:
        """Return the lines that `data` completes, without their ends."""
        self._unfinished += data
        if b"\n" not in data:  # a long line in many pieces is searched only once
            return []
        *lines, self._unfinished = self._unfinished.split(b"\n")
        return lines

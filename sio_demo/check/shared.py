"""What the rules of all languages share: reporting, and what names suggest."""

import re
from collections.abc import Callable
from time import process_time

Reporter = Callable[..., None]  # called with the node, the rule, its message, and names for it

SURELY_REMEMBERED = re.compile(
    r"(?i)seen|processed|handled|done|dedup|duplicate|applied|delivered|executed|acked|idempot|shown|displayed|consumed|procesad|processad|vist[oa]s"
)
REMEMBERED = re.compile(
    rf"{SURELY_REMEMBERED.pattern}|received|known|message|msg|event|ids?$|recent|finished|complete"
)
MESSAGE_ID = re.compile(
    r"(?i)(message|msg|event|packet|client|request|req|dedup\w*|idempot\w*|correlation|tx|order|"
    r"transaction|command|cmd|action|op|operation)_?(id|key|offset|uuid|nonce)$|"
    r"^_?(id|uuid|offset|nonce|key|mid)$"
)
RANDOM = re.compile(r"(?i)random|uuid|nanoid|cuid|ulid|crypto|guid|unique|token")


class ImpatientError(Exception):
    """A source takes too long; what was found until then is reported. Never leaves the engine."""


class Patience:
    """Ends what takes longer than three seconds of computing time, as ordinary sources never do."""

    def __init__(self) -> None:
        self._start = process_time()
        self._asked = 0

    def ask(self) -> None:
        self._asked += 1
        if self._asked % 32 == 0 and process_time() - self._start > 3:
            raise ImpatientError


def has_id_of(given: str, key: str) -> bool:
    """Return whether a key has the id of one of the parameters `given`: of the message."""
    owners = re.findall(r"\b(\w+)(?:\.id\b|\[[\"']id[\"']\])", key)
    return any(re.search(rf"\b{owner}\b", given) for owner in owners)


def word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())

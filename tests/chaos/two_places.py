"""What was found in two places, such as an inbox and a feed, as one."""

from sio_demo.chaos.checker import Discrepancies


def beside(these: Discrepancies, others: Discrepancies, where: str) -> Discrepancies:
    """Return these, and the others that were found in another place."""
    lost, duplicated, reordered = map(sum, zip(these[:3], others[:3], strict=True))
    found = (*these.findings, *(f"{where}, {words}" for words in others.findings))
    return Discrepancies(lost, duplicated, reordered, found)

"""Schedules with a page as the client, and a page whose producer id does not outlive it."""

import pytest

from sio_demo.chaos import pages


@pytest.mark.parametrize("variant", ["none", "id-per-tab"])
async def test_the_schedules_of_a_page_catch_what_is_broken(variant):
    verdicts = [verdict async for verdict in pages.run_all([2], variant, client="node")]
    assert all(verdict.accepted for verdict in verdicts)
    lost_or_reordered = sum(verdict.lost + verdict.reordered for verdict in verdicts)
    assert lost_or_reordered == 0 or variant != "none"
    assert any(verdict.duplicated for verdict in verdicts) == (variant != "none")

"""Schedules with a page as the client, and a page whose producer id does not outlive it."""

import pages
import pytest

from sio_demo.chaos import Verdict


@pytest.mark.parametrize("variant", ["none", "id-per-tab"])
async def test_the_schedules_of_a_page_catch_what_is_broken(variant):
    verdicts = [verdict async for verdict in pages.run_all([2], variant, client="node")]
    assert all(verdict.accepted for verdict in verdicts)
    lost_or_reordered = sum(verdict.lost + verdict.reordered for verdict in verdicts)
    assert lost_or_reordered == 0 or variant != "none"
    assert any(verdict.duplicated for verdict in verdicts) == (variant != "none")


def test_a_failure_says_how_it_is_played_again(monkeypatch, capsys):
    async def run_all(seeds, variant, *, client):
        for seed in seeds:
            yield Verdict(seed, variant, ("reset",), 1, 1, 0, 0, ("lost: message 1",))

    monkeypatch.setattr(pages, "run_all", run_all)
    assert pages.main(["--seed", "7", "--variant", "no-lock"]) == 1
    out = capsys.readouterr().out
    assert "\n  lost: message 1\n" in out
    assert 'play it again: make chaos SEED=7 CLIENT=node ARGS="--variant no-lock"\n' in out
    assert out.endswith("\n1 schedules, 1 messages: 1 lost, 0 duplicated, 0 reordered\n")

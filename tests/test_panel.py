"""The panel breaks a real connection and counts; its buttons do what its methods do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import ipywidgets as widgets
import pytest

from sio_demo import clean_up, nothing_left, panel
from sio_demo.counters import Counters
from sio_demo.errors import ClosedError, UsageError
from sio_demo.lab.cleanup import leftovers
from sio_demo.lab.waiting import wait_until
from sio_demo.panel import bench

NEW = "A new client is connected; its listener is {} connect."


@pytest.fixture(autouse=True)
async def clean() -> AsyncIterator[None]:
    """Leave nothing behind, whatever a test did."""
    await clean_up()
    yield
    await clean_up()


@pytest.fixture
async def opened() -> panel.Panel:
    """A panel whose client is in this process."""
    return await panel.python()


def button(of: panel.Panel, label: str) -> widgets.Button:
    """Give the button with that label."""
    return next(
        widget for widget in parts(of) if getattr(widget, "description", "").startswith(label)
    )


def parts(of: panel.Panel) -> list[Any]:
    """Give all the widgets in a panel."""
    found, waiting = [], [of.widget]
    while waiting:
        widget = waiting.pop()
        found.append(widget)
        waiting += getattr(widget, "children", ())
    return found


def switch(of: panel.Panel) -> widgets.RadioButtons:
    """Give the switch."""
    return next(widget for widget in parts(of) if isinstance(widget, widgets.RadioButtons))


def shown(of: panel.Panel) -> str:
    """Give all the HTML that a panel shows."""
    return "".join(part.value for part in parts(of) if isinstance(part, widgets.HTML))


async def three_cuts(on: panel.Panel) -> list[int]:
    """Give the calls for a message before three cuts, and for one after."""
    before = await on.send()
    for _ in range(3):
        await on.cut()
    return [before.calls, (await on.send()).calls]


@pytest.mark.parametrize(("place", "calls"), [("inside", [1, 4]), ("outside", [1, 1])])
async def test_three_cuts_make_four_calls_inside_connect_and_one_outside(
    place: Any, calls: list[int]
) -> None:
    opened = await panel.python(place)
    assert await three_cuts(opened) == calls
    assert opened.counters == Counters(calls[1], 1, 1, calls[1], calls[1])


async def test_switch_starts_a_new_client(opened: panel.Panel) -> None:
    assert await three_cuts(opened) == [1, 4]
    await opened.listen("outside")
    assert opened.counters == Counters(1, 1, 0, 0, 0)
    assert await three_cuts(opened) == [1, 1]
    await opened.send()
    assert [(one.number, one.place, one.faults) for one in opened.sent] == [
        (1, "inside", ()),
        (2, "inside", ("cut", "cut", "cut")),
        (3, "outside", ()),
        (4, "outside", ("cut", "cut", "cut")),
        (5, "outside", ()),
    ]


async def test_half_open_connection_leaves_a_sid_and_costs_a_packet(opened: panel.Panel) -> None:
    await opened.half_open()
    assert await opened.send() == Counters(2, 2, 2, 2, 2)
    await opened.cut()
    assert opened.counters.sids == 2  # the network cannot reset what the server alone holds


async def test_half_open_sid_ends_with_the_servers_patience(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench, "PINGS", {"ping_interval": (0.2, 1), "ping_timeout": 1})
    opened = await panel.python()
    await opened.half_open()
    assert opened.counters.sids == 2
    await wait_until(lambda: opened.counters.sids == 1)
    await wait_until(lambda: "The server has ended a session: ping timeout." in shown(opened))


async def test_restart_brings_a_new_server_and_one_more_listener(opened: panel.Panel) -> None:
    await opened.half_open()
    await opened.restart()
    assert await opened.send() == Counters(3, 1, 1, 3, 3)


async def test_delay_makes_no_duplicates_and_goes_over(opened: panel.Panel) -> None:
    now = asyncio.get_running_loop().time
    start = now()
    await opened.send()
    fast, start = now() - start, now()
    await opened.delay()
    assert await opened.send() == Counters(1, 1, 1, 1, 1)
    assert now() - start > 4 * bench.DELAY > fast
    await opened.delay()
    start = now()
    await opened.send()
    assert now() - start < 4 * bench.DELAY


async def test_buttons_do_what_they_say_one_after_the_other(opened: panel.Panel) -> None:
    for label in ["Send", "Cut (reset)", "Half-open", "Restart server", "Delay: off", "Send"]:
        button(opened, label).click()
    await wait_until(lambda: len(opened.sent) == 2)
    assert opened.sent[1].faults == ("cut", "half-open", "restart")
    assert opened.sent[1].counters == Counters(4, 1, 1, 4, 4)
    assert button(opened, "Delay").description == "Delay: on"
    button(opened, "Delay: on").click()
    await wait_until(lambda: button(opened, "Delay").description == "Delay: off")

    switch(opened).value = "outside"
    await wait_until(lambda: opened.status == NEW.format("outside"))
    assert opened.counters.listeners == 1


async def test_buttons_work_in_another_thread(opened: panel.Panel) -> None:
    asyncio.get_running_loop().set_debug(True)  # raises at what is not safe there
    await asyncio.to_thread(button(opened, "Send").click)
    await wait_until(lambda: len(opened.sent) == 1)
    await asyncio.to_thread(setattr, switch(opened), "value", "outside")
    await wait_until(lambda: opened.status == NEW.format("outside"))


async def test_shows_counters_and_what_the_user_sees(opened: panel.Panel) -> None:
    await three_cuts(opened)
    html = shown(opened)
    assert "Sent message 2: 1 packet, handled 4 times." in html
    for name, value in {"listeners": 4, "live sids": 1, "packets": 1, "effects": 4}.items():
        assert f"{name}: <b>{value}</b>" in html
    assert html.count("<li>news 1</li>") == 1
    assert html.count("<li>news 2</li>") == 4


async def test_text_is_the_same_everywhere(opened: panel.Panel) -> None:
    await three_cuts(opened)
    bundle = opened._repr_mimebundle_()
    assert bundle["text/plain"] == (
        "Live panel: EmitterClient (Python) in this kernel, listener inside connect\n"
        "Buttons: Send, Cut (reset), Half-open, Delay, Restart server\n"
        "Counters(listeners=4, sids=1, packets=1, calls=4, effects=4)\n"
        "Listener inside connect: message 1: 1 call, cut 3 times, message 2: 4 calls."
    )
    view = bundle["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == opened.widget.model_id


async def test_close_leaves_nothing(
    opened: panel.Panel, capsys: pytest.CaptureFixture[str]
) -> None:
    await opened.half_open()
    await opened.delay()
    assert any(leftovers())
    await opened.close()
    await opened.close()
    await nothing_left()
    assert capsys.readouterr().out == "left over: 0 tasks, 0 sockets, 0 processes\n"
    assert button(opened, "Send").disabled
    assert switch(opened).disabled
    with pytest.raises(ClosedError):
        await opened.send()


async def test_close_ends_what_a_button_has_begun(opened: panel.Panel) -> None:
    await opened.delay()
    button(opened, "Send").click()
    await wait_until(lambda: opened._tasks)
    button(opened, "Send").click()
    await opened.close()
    await nothing_left()
    assert opened.sent == []
    assert opened.status.startswith("Closed.")


async def test_clean_up_closes_a_panel(opened: panel.Panel) -> None:
    await opened.half_open()
    await clean_up()
    assert opened.closed
    await nothing_left()


async def test_next_panel_closes_the_one_before(opened: panel.Panel) -> None:
    again = await panel.python()
    assert opened.closed
    assert (await again.send()).calls == 1
    await again.close()
    await nothing_left()


async def test_bad_arguments_are_refused_with_advice(opened: panel.Panel) -> None:
    bad: Any = "elsewhere"
    with pytest.raises(UsageError, match=r'"inside" or "outside"'):
        await panel.python(bad)
    with pytest.raises(UsageError, match=r'"inside" or "outside"'):
        await panel.browser(bad)
    with pytest.raises(UsageError, match=r'"inside" or "outside"'):
        await opened.listen(bad)
    assert not opened.closed


async def test_error_behind_a_button_is_shown(
    opened: panel.Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(number: int) -> Counters:
        raise ZeroDivisionError("<oops>")

    assert opened._bench
    monkeypatch.setattr(opened._bench, "send", fail)
    button(opened, "Send").click()
    await wait_until(lambda: "ZeroDivisionError: &lt;oops&gt;" in shown(opened))

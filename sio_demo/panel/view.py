"""The widgets of a panel: they show a state, and report presses of buttons."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets as widgets  # type: ignore[import-untyped]

from ..plots import style
from .figure import svg
from .history import PLACES, ListenerPlace, State, headline, words

BUTTONS = {  # the panel's method, the label, and the tooltip
    "send": ("Send", "The server sends one message to the user"),
    "cut": ("Cut (reset)", "The network resets the connection; the client comes back"),
    "half_open": ("Half-open", "The client sees the connection end, the server sees nothing"),
    "delay": ("Delay: off", "Every byte takes 0.2 s more, in each direction; press again to stop"),
    "restart": ("Restart server", "The server dies and a new one starts; the client comes back"),
}
MESSAGES_SHOWN = 12
_TILE = (
    "display: inline-block; margin: 0 6px 6px 0; padding: 2px 8px; "
    "border: 1px solid var(--jp-border-color1, #bdbdbd); border-left: 5px solid {edge}"
)


class View:
    """The box of widgets.

    Parameters
    ----------
    title : str
        The name of the client.
    screen : widget
        What the client shows to its user.
    press : callable
        Called with the name of the button that was pressed.
    listen : callable
        Called with the place that the switch was set to.
    """

    def __init__(
        self,
        title: str,
        screen: widgets.Widget,
        press: Callable[[str], None],
        listen: Callable[[ListenerPlace], None],
    ) -> None:
        self._press = press
        self._listen = listen
        self._buttons = {name: self._button(name) for name in BUTTONS}
        self._switch = widgets.RadioButtons(
            options=[(f"listener {place} connect", place) for place in PLACES],
            layout=widgets.Layout(width="auto"),
        )
        self._switch.observe(self._switched, "value")
        self._status, self._counters, self._figure, self._words = (widgets.HTML() for _ in range(4))
        self._place: ListenerPlace = "inside"
        wrapped = widgets.Layout(flex_flow="row wrap")
        self._figure.layout = widgets.Layout(flex="1 1 300px", max_width="440px")
        screen.layout = widgets.Layout(flex="1 1 150px")
        self.box = widgets.VBox(
            [
                widgets.HTML(f'<b style="line-height: 1.4">{escape(title)}</b>'),
                self._switch,
                widgets.HBox(list(self._buttons.values()), layout=wrapped),
                self._status,
                self._counters,
                widgets.HBox([self._figure, screen], layout=wrapped),
                self._words,
            ],
            layout=widgets.Layout(max_width="680px", overflow="hidden"),
        )

    def show(self, state: State) -> None:
        self._place = state.place
        self._switch.value = state.place
        self._switch.disabled = not state.ready
        for button in self._buttons.values():
            button.disabled = not state.ready
        self._buttons["delay"].description = f"Delay: {'on' if state.delayed else 'off'}"
        self._status.value = f'<div role="status">{escape(state.status)}</div>'
        self._counters.value = counters(state)
        recent = state.sent[-MESSAGES_SHOWN:]
        self._figure.value = svg(recent, state.faults)
        told = f"{headline(recent)}. {words(recent, state.faults)}"
        self._words.value = f'<div style="line-height: 1.4">{escape(told)}</div>'

    def _button(self, name: str) -> widgets.Button:
        label, what = BUTTONS[name]
        button = widgets.Button(description=label, tooltip=what, layout={"width": "auto"})
        button.on_click(lambda _: self._press(name))
        return button

    def _switched(self, change: dict[str, Any]) -> None:
        if change["new"] != self._place:
            self._listen(change["new"])


def counters(state: State) -> str:
    """Return the five counters as HTML: two current ones, three of the last message."""
    now, last = state.counters, bool(state.sent)
    number = f"message {state.sent[-1].number}" if last else "the last message"
    return (
        f'<div style="line-height: 1.4">'
        f"{_tile('listeners', now.listeners)}{_tile('live sids', now.sids)}"
        f"{_tile('packets', now.packets)}{_tile('handler calls', now.calls)}"
        f"{_tile('effects', now.effects)}"
        f"<div>Listeners and live sids as they are now; the others for {number}. "
        "All is well when each is 1.</div></div>"
    )


def _tile(name: str, value: int) -> str:
    edge = style.ONCE if value <= 1 else style.AGAIN
    return f'<span style="{_TILE.format(edge=edge)}">{name}: <b>{value}</b></span>'

"""Figures of delivery: what a round trip carries, and what a run of chaos did."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes

from . import style
from .plot import Plot, in_words, table
from .style import Look, house_style, page, place, wrap

# Inches.
_LABELS, _CHARACTERS = 1.1, 10
_DOTS, _ROW, _HEAD, _FOOT = 2.4, 0.5, 0.62, 0.62
_COLUMN = (style.WIDTH - _LABELS - _DOTS - style.MARGIN) / 3

_LANE_LABELS, _LANE, _LEVEL, _LANE_GAP = 0.95, 3.9, 0.25, 0.3
_FOUND = 0.2  # right of the lanes

_MOST = 6  # senders
_TRIPS = (20, 100, 500)  # ms
_CUTS = ("reset", "clean close", "half-open", "refusal")


class Timeline(NamedTuple):
    """What a schedule did to a client, and what came of it."""

    messages: int
    faults: Sequence[tuple[int, str]]  # after which message, and which
    found: str


@house_style()
def throughput(per_trip: Mapping[str, int], *, title: str) -> Plot:
    """Draw the messages that one round trip carries, and write what follows for three distances.

    `per_trip` says for each sender, six at most, how many messages it may have under way.
    """
    data = table({name: [n] for name, n in per_trip.items()}, most=_MOST)
    height = len(data) * _ROW
    figure = page(title, _FOOT + height + _HEAD)
    axes = place(figure, (_LABELS, _FOOT, _DOTS, height), "throughput")
    up, rates = "messages in one round trip", "messages a second, at most"
    most = 10 ** math.ceil(math.log10(max(n for [n] in data.values()) * 2))
    axes.set(xscale="log", xlim=(0.5, most), ylim=(len(data) - 0.5, -0.5), xlabel=up)
    names = ["\n".join(wrap(name, _CHARACTERS)) for name in data]
    axes.set_yticks(range(len(data)), names, ha="left")
    axes.set_xticks(ticks := [10**n for n in range(round(math.log10(most)))])
    axes.set_xticklabels([f"{tick:,}" for tick in ticks])
    axes.tick_params(which="both", length=0, pad=7)
    axes.tick_params(axis="y", pad=(_LABELS - style.MARGIN) * 72)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x", which="major")
    rows = []
    for y, (name, [n]) in enumerate(data.items()):
        axes.plot([0.5, n], [y, y], color=style.ONCE, linewidth=3, solid_capstyle="butt")
        axes.plot([n], [y], "o", color=style.ONCE, markersize=11, clip_on=False)
        axes.annotate(f"{n:,}", (n, y), (0, 8), textcoords="offset points", ha="center")
        allowed = [f"{n * 1000 // time:,}" for time in _TRIPS]
        _write(axes, y, allowed)
        rows.append(f"- {name}: {n:,}; {', '.join(allowed)}")
    _write(axes, -0.72, headings := [f"at {time} ms" for time in _TRIPS], color=style.MUTED)
    _write(axes, -1.15, ["", "", rates])
    return Plot(figure, in_words(title, f"{up}; {rates}, {', '.join(headings)}", rows))


def _write(axes: Axes, y: float, texts: Sequence[str], **look: Any) -> None:
    """Write into the columns right of the dots."""
    where = axes.get_yaxis_transform()
    for column, text in enumerate(texts, 1):
        x = 1 + column * _COLUMN / _DOTS
        axes.text(x, y, text, transform=where, ha="right", va="center", **look)


@house_style()
def timelines(lanes: Mapping[str, Timeline], *, title: str) -> Plot:
    """Draw a lane for each run: messages, faults above them, and what was found."""
    most = max(lane.messages for lane in lanes.values())
    heights = [(len(lane.faults) + 1) * _LEVEL for lane in lanes.values()]
    bottom = sum(heights) + _LANE_GAP * (len(lanes) - 1) + _FOOT
    figure = page(title, bottom)
    rows = []
    for number, ((name, lane), height) in enumerate(zip(lanes.items(), heights, strict=True), 1):
        bottom -= height
        axes = place(figure, (_LANE_LABELS, bottom, _LANE, height))
        axes.set(xlim=(0, most), ylim=(0, height), gid=f"lane-{number}")
        _lane(axes, name, lane)
        struck = ", ".join(f"{fault} after {after}" for after, fault in lane.faults)
        rows.append(f"- {name}, {lane.messages} messages: {struck}; {' '.join(lane.found.split())}")
        bottom -= _LANE_GAP
    across = "message after which a fault strikes; each mark on the line is a message"
    axes.tick_params(labelbottom=True)
    axes.set_xlabel(across, labelpad=5, x=(style.MARGIN - _LANE_LABELS) / _LANE, ha="left")
    return Plot(figure, in_words(title, f"faults, by {across}", rows))


def _lane(axes: Axes, name: str, lane: Timeline) -> None:
    messages = range(1, lane.messages + 1)
    look: Look = {"color": style.ONCE, "markersize": 9, "markeredgewidth": 1.6, "clip_on": False}
    axes.plot(messages, [0] * lane.messages, "|", **look, gid="messages")
    for level, (after, fault) in enumerate(lane.faults):
        y = (len(lane.faults) - level + 0.4) * _LEVEL
        axes.plot([after] * 2, [0.05, y], color=style.MUTED, linewidth=0.8, zorder=1)
        _mark(axes, after, y, fault)
        axes.annotate(fault, (after, y), (24, 0), textcoords="offset points", va="center")
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0, labelleft=False, labelbottom=False, pad=9)
    axes.set_ylabel(name, rotation=0, ha="left", va="center", fontweight="bold")
    axes.yaxis.set_label_coords((style.MARGIN - _LANE_LABELS) / _LANE, 0)
    x = 1 + _FOUND / _LANE
    axes.text(x, 0, lane.found, transform=axes.transAxes, va="center", gid="found")


def _mark(axes: Axes, after: int, y: float, fault: str) -> None:
    """Draw what strikes: an end of a process is a square, slowness a ring, a cut the zigzag."""
    inch = axes.get_xlim()[1] / _LANE
    if fault.endswith(("kill", "restart")):
        axes.plot([after + 0.15 * inch], [y], "s", color=style.INK, markersize=8)
    elif fault in ("latency", "black hole"):
        axes.plot([after + 0.15 * inch], [y], "o", mfc="white", mec=style.INK, markersize=8)
    elif fault not in _CUTS and not fault.startswith("lost"):
        axes.plot([after + 0.15 * inch], [y], "^", color=style.INK, markersize=8)
    else:
        x = [after + step * 0.06 * inch for step in range(5)]
        teeth = [y + side * 0.07 for side in (0, -1, 1, -1, 0)]
        axes.plot(x, teeth, color=style.AGAIN, linewidth=2)

"""A figure of delivery: what a run of chaos did."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes

from . import style
from .plot import Plot, in_words
from .style import Look, house_style, page, place

# Inches.
_FOOT = 0.62
_LANE_LABELS, _LANE, _LEVEL, _LANE_GAP = 0.95, 4.35, 0.25, 0.3
_FOUND = 0.2  # right of the lanes

_CUTS = ("reset", "clean close", "half-open", "refusal")


class Timeline(NamedTuple):
    """What a schedule did to a client, and what came of it."""

    messages: int
    faults: Sequence[tuple[int, str]]  # after which message, and which
    found: str


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

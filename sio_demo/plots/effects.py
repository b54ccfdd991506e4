"""The figures of counts, read as effects: what the application changed, not what was called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from ..errors import UsageError
from .bars import calls_by_design
from .charts import total_work
from .style import house_style, wrap

_CHARACTERS = 10  # that fit below a bar


@house_style()
def balance(
    series: Mapping[str, Sequence[int]],
    *,
    title: str,
    across: str = "payments of 1 coin, one after each reconnect",
    up: str = "balance in coins",
) -> Figure:
    """Draw a balance after each payment; two thin curves give what to expect.

    Parameters
    ----------
    series
        For each design, the coins booked for the first, second, … payment. This function adds
        them up.
    title
        What the figure shows, as a sentence.
    across, up
        What the axes count.

    Raises
    ------
    UsageError
        As for `total_work`.
    """
    figure = total_work(series, title=title)
    axes = figure.axes[0]
    axes.xaxis.label.set_text(across)
    axes.yaxis.label.set_text(up)
    return figure


@house_style()
def effects_by_design(
    designs: Mapping[str, Sequence[int]], *, title: str, faults: Sequence[str]
) -> Figure:
    """Draw the effects of one message for each design, one bar for each fault.

    Parameters
    ----------
    designs
        For each design, in order from the top, the effects under each fault.
    title
        What the figure shows, as a sentence.
    faults
        What each fault is, in two or three short words; they are written below the bars.

    Raises
    ------
    UsageError
        If there is not one name for each fault; and as for `calls_by_design`.
    """
    numbered = ", ".join(f"{number} {fault}" for number, fault in enumerate(faults, 1))
    figure = calls_by_design(designs, title=title, rounds=numbered, first=1)
    if any(len(effects) != len(faults) for effects in designs.values()):
        raise UsageError(f"Name each of the faults: there are {len(faults)} names.")
    for axes in figure.axes:
        verdict = axes.texts[-1]
        verdict.set_text(verdict.get_text().replace("calls", "effects").replace("missed", "lost"))
    top, bottom = figure.axes[0], figure.axes[-1]
    headline = top.get_title(loc="left").replace("calls for", "effects of")
    top.set_title(headline, loc="left", fontsize=12, pad=6)
    bottom.set_xticks(
        range(1, len(faults) + 1), ["\n".join(wrap(fault, _CHARACTERS)) for fault in faults]
    )
    bottom.xaxis.label.set_visible(False)  # the names say it; `describe` reads it
    return figure

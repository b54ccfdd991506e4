"""Labels at the ends of lines, spread so that none covers another."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from . import style
from .style import Look, wrap

# Inches.
_LINE, _GAP = 0.2, 0.12
_LEADER, _KEY, _TEXT = (0.02, 0.2), (0.22, 0.41, 0.6), 0.68
_CHARACTERS = 22


def beside(
    axes: Axes,
    size: tuple[float, float],
    labels: Sequence[str],
    targets: Sequence[float],
    keys: Sequence[Look],
) -> None:
    """Write labels into axes of their own, right of a chart, as high as it is.

    A line leads to each from its target; before each stands a piece of a line, drawn with its key.
    The size and the targets are in inches.
    """
    across, up = size
    axes.set(xlim=(0, across), ylim=(0, up))
    axes.set_axis_off()
    texts = [wrap(label, _CHARACTERS) for label in labels]
    heights = [len(lines) * _LINE + _GAP for lines in texts]
    places = spread(targets, heights, (-_GAP, up + 2 * _GAP))
    for lines, target, y, key in zip(texts, targets, places, keys, strict=True):
        axes.plot(_LEADER, [target, y], color=style.MUTED, linewidth=0.8, clip_on=False)
        axes.plot(_KEY, [y] * 3, markevery=[1], solid_capstyle="butt", clip_on=False, **key)
        axes.text(_TEXT, y, "\n".join(lines), va="center", linespacing=1.1)


def spread(
    targets: Sequence[float], heights: Sequence[float], limits: tuple[float, float]
) -> list[float]:
    """Return the middles of labels: near their targets, none over another.

    Labels that would overlap form a stack, centred on the mean of its targets and kept within the
    limits. Of labels with the same target, the first comes uppermost.
    """

    def bottom(stack: list[int]) -> float:
        middle = math.fsum(targets[i] for i in stack) / len(stack)
        return max(limits[0], min(middle - height(stack) / 2, limits[1] - height(stack)))

    def height(stack: list[int]) -> float:
        return math.fsum(heights[i] for i in stack)

    stacks: list[list[int]] = []
    for index in sorted(range(len(targets)), key=lambda i: (targets[i], -i)):
        stacks.append([index])
        while len(stacks) > 1 and bottom(stacks[-2]) + height(stacks[-2]) > bottom(stacks[-1]):
            stacks[-2:] = [stacks[-2] + stacks[-1]]
    places = [0.0] * len(targets)
    for stack in stacks:
        y = bottom(stack)
        for index in stack:
            places[index] = y + heights[index] / 2
            y += heights[index]
    return places

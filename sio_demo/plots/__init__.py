"""Every figure of the project, drawn from plain data: one style, one palette, in words too.

A figure's title states what it shows. The same data gives the same SVG, byte for byte, whatever
was drawn before and whatever the reader's matplotlib settings are.
"""

from __future__ import annotations

from .bars import calls_by_design
from .charts import invocations, total_work
from .effects import balance, effects_by_design
from .output import describe, show, to_png, to_svg
from .sequence import LIFELINES, Step, sequence
from .signatures import signatures
from .tally import tally
from .throughput import throughput

__all__ = [
    "LIFELINES",
    "Step",
    "balance",
    "calls_by_design",
    "describe",
    "effects_by_design",
    "invocations",
    "sequence",
    "show",
    "signatures",
    "tally",
    "throughput",
    "to_png",
    "to_svg",
    "total_work",
]

"""Every figure of the project, with its words: both from the same plain data, in one style.

Each function takes a ``title``, a sentence that states what the figure shows, and returns a `Plot`.
More than fits raises a :exc:`~sio_demo.errors.UsageError`. The same data gives the same
SVG, byte for byte, whatever was drawn before and whatever the reader's matplotlib settings are.
"""

from .bars import calls_by_design, effects_by_design, tally
from .charts import invocations, total_work
from .delivery import Timeline, throughput, timelines
from .plot import Plot, show, to_png, to_svg
from .sequence import Step, sequence
from .signatures import signatures

__all__ = [
    "Plot",
    "Step",
    "Timeline",
    "calls_by_design",
    "effects_by_design",
    "invocations",
    "sequence",
    "show",
    "signatures",
    "tally",
    "throughput",
    "timelines",
    "to_png",
    "to_svg",
    "total_work",
]

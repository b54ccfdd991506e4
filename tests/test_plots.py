"""The figures: what they draw, what they say in words, and that they never change by themselves."""

from __future__ import annotations

import html
import io
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import combinations
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image, ImageColor
from read_back import read_back

from sio_demo import plots
from sio_demo.errors import UsageError
from sio_demo.plots import Step, charts, style

CLIENTS = {
    "JavaScript client, listener inside connect": [1, 2, 3, 4, 5, 6],
    "EmitterClient, listener inside connect": [1, 2, 3, 4, 5, 6],
    "plain python-socketio, handler inside connect": [1] * 6,
    "the fix: listener outside connect": [1] * 6,
}
DESIGNS = {
    "naive: listener inside connect": [1, 2, 3, 4],
    "only at the first connect": [1, 0, 0, 0],
    "off, then on again": [1, 0, 2, 1],
    "the fix: listener outside connect": [1, 1, 1, 1],
}
STEPS = [
    Step("client", "server", "CONNECT"),
    Step("server", "client", 'EVENT "news", "first of all"'),
    Step("client", "your handler", "news", "call"),
    Step("server", "client", "TCP reset", "fault"),
    Step("client", "server", "CONNECT"),
    Step("server", "client", 'EVENT "news", "second"'),
    Step("client", "your handler", "news", "call"),
    Step("client", "your handler", "", "call"),
    Step("client", "server", "ACK", "lost"),
    Step("your handler", "your handler", "one packet arrived, two calls were made", "note"),
]


def four_clients() -> plots.Plot:
    return plots.invocations(CLIENTS, title="Each reconnect adds a call")


def work() -> plots.Plot:
    series = {"listener inside connect": list(range(1, 9)), "listener outside": [1] * 8}
    return plots.total_work(series, title="Eight messages cost 36 calls")


def designs() -> plots.Plot:
    return plots.calls_by_design(DESIGNS, title="Two of the fixes backfire, and one of them twice")


def recording() -> plots.Plot:
    return plots.sequence(STEPS, title="One packet, two calls")


FIGURES = pytest.mark.parametrize("draw", [four_clients, work, designs, recording])


def boxes(figure: Figure) -> dict[str, Any]:
    """Return where each visible text is drawn."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    drawn = [text for text in texts if not text.axes or text.axes.axison or text in text.axes.texts]
    return {f"{n} {t.get_text()!r}": t.get_window_extent() for n, t in enumerate(drawn)}


# What is drawn


def test_a_chart_has_a_title_named_axes_and_whole_ticks() -> None:
    """The main figure says what its axes count, from 0, in whole numbers."""
    axes = four_clients().figure.axes[0]
    FigureCanvasAgg(axes.figure).draw()
    assert axes.get_xlabel() == "reconnects so far"
    assert axes.get_ylabel() == "handler calls for one message"
    assert [label.get_text() for label in axes.get_xticklabels()] == list("012345")
    assert axes.get_ylim()[0] == 0
    assert all(tick == int(tick) for tick in axes.get_yticks())


def test_lines_on_one_another_all_show() -> None:
    """Every one of four series leaves its colour in the picture, though two and two coincide."""
    figure = four_clients().figure
    figure.set_dpi(144)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[:, :, :3] / 255
    chart = pixels[:, : int(pixels.shape[1] * 0.6)]
    for color in (style.AGAIN_PALE, style.AGAIN, style.ONCE_PALE, style.ONCE):
        assert (np.abs(chart - to_rgb(color)).max(axis=2) < 0.03).sum() > 150, color


@pytest.mark.parametrize(
    ("below", "above"), [(style.AGAIN_PALE, style.AGAIN), (style.ONCE_PALE, style.ONCE)]
)
def test_what_lies_on_one_another_differs_in_grey(below: str, above: str) -> None:
    """Without colours, a line still shows on the wider one below it."""
    light, dark = (np.dot(to_rgb(color), (0.299, 0.587, 0.114)) for color in (below, above))
    assert light - dark > 0.15


@FIGURES
def test_no_text_covers_another_or_leaves_the_page(draw: Any) -> None:
    """Titles, ticks and labels keep clear of one another, with room at the edges."""
    figure = draw().figure
    placed = boxes(figure)
    assert len(placed) > 6
    width, height = figure.get_size_inches() * figure.dpi
    for name, box in placed.items():
        assert box.x0 >= 4, name
        assert box.x1 <= width - 4, name
        assert box.y0 >= 2, name
        assert box.y1 <= height - 2, name
    hits = [(a, b) for a, b in combinations(placed, 2) if placed[a].overlaps(placed[b])]
    assert not hits


def test_labels_of_one_target_are_stacked_around_it() -> None:
    """The first comes uppermost; another target far off is left alone."""
    assert charts.spread([1, 1, 3], [0.4, 0.4, 0.4], (0, 4)) == pytest.approx([1.2, 0.8, 3])


def test_labels_stay_within_their_limits() -> None:
    """A stack that would stick out at the top moves down, and what is below makes room."""
    places = charts.spread([3.9, 3.9, 3.0], [0.5, 0.5, 0.5], (0, 4))
    assert places == pytest.approx([3.75, 3.25, 2.75])


@pytest.mark.parametrize("kind", ["packet", "call", "lost", "fault"])
def test_a_step_to_its_own_lifeline_is_refused(kind: Any) -> None:
    with pytest.raises(UsageError, match="Only a note"):
        plots.sequence([plots.Step("client", "client", "news", kind)], title="t")


def test_calls_are_numbered_from_each_packet_the_caller_receives() -> None:
    """A packet that the caller sends, or a fault, does not start the numbers again."""
    call, ack = Step("client", "your handler", "", "call"), Step("client", "server", "ACK")
    packet = Step("server", "client", "EVENT")
    words = plots.sequence([packet, call, ack, call, packet, call], title="Calls").words
    assert re.findall(r"call (\d)", words) == ["1", "2", "1"]


def test_calls_for_one_message_are_numbered_across_its_packets() -> None:
    """The retry's call is the second, and has the colour of harm."""
    packet, call = Step("client", "server", "pay"), Step("server", "your handler", "", "call")
    plot = plots.sequence([packet, call] * 2, title="Paid twice", one_message=True)
    assert re.findall(r"call (\d)", plot.words) == ["1", "2"]
    assert read_back(plot.figure) == plot.words
    badges = [line for line in plot.figure.axes[0].lines if line.get_marker() == "o"]
    assert [badge.get_color() for badge in badges] == [style.ONCE, style.AGAIN]


def test_a_diagram_of_25_rows_fits_a_page() -> None:
    """It is less than eleven inches high."""
    assert plots.sequence([STEPS[1]] * 25, title="Long").figure.get_figheight() < 11


# In words


def test_a_chart_is_described_by_its_series() -> None:
    """The words give the title, the axes and every value."""
    assert four_clients().words.splitlines() == [
        "Each reconnect adds a call",
        "handler calls for one message, by reconnects so far (0 to 5):",
        "- JavaScript client, listener inside connect: 1, 2, 3, 4, 5, 6",
        "- EmitterClient, listener inside connect: 1, 2, 3, 4, 5, 6",
        "- plain python-socketio, handler inside connect: 1, 1, 1, 1, 1, 1",
        "- the fix: listener outside connect: 1, 1, 1, 1, 1, 1",
    ]


def test_total_work_is_described_by_its_sums() -> None:
    """The words give the totals, and the formulas of the thin curves."""
    assert work().words.splitlines()[1:] == [
        "handler calls in all, by messages sent, one after each reconnect (1 to 8):",
        "- listener inside connect: 1, 3, 6, 10, 15, 21, 28, 36",
        "- listener outside: 1, 2, 3, 4, 5, 6, 7, 8",
        "thin curves: n(n + 1)/2 and n",
    ]


def test_designs_are_described_by_their_bars_and_verdicts() -> None:
    """The title that was wrapped is whole again; each row says what went wrong."""
    assert designs().words.splitlines() == [
        "Two of the fixes backfire, and one of them twice",
        "calls for one message (dashed line: 1 expected), by reconnects so far (0 to 3):",
        "- naive: listener inside connect: 1, 2, 3, 4 (up to 4 calls)",
        "- only at the first connect: 1, 0, 0, 0 (3 of 4 missed)",
        "- off, then on again: 1, 0, 2, 1 (up to 2 calls and 1 of 4 missed)",
        "- the fix: listener outside connect: 1, 1, 1, 1 (always once)",
    ]


def test_a_diagram_is_described_by_its_events() -> None:
    """The words name each event in order, with its lifelines."""
    assert recording().words.splitlines()[1:] == [
        "events in order, between server, link, client, your handler:",
        "1. packet, client to server: CONNECT",
        '2. packet, server to client: EVENT "news", "first of all"',
        "3. call 1, client to your handler: news",
        "4. fault, server to client: TCP reset",
        "5. packet, client to server: CONNECT",
        '6. packet, server to client: EVENT "news", "second"',
        "7. call 1, client to your handler: news",
        "8. call 2, client to your handler",
        "9. lost, client to server: ACK",
        "10. note: one packet arrived, two calls were made",
    ]


@FIGURES
def test_the_picture_says_what_the_words_say(draw: Any) -> None:
    """What is read back from the drawn artists are the words, to the letter."""
    plot = draw()
    assert read_back(plot.figure) == plot.words


def test_a_picture_that_was_drawn_wrong_is_seen() -> None:
    """A line that is moved after it was drawn does not agree with the words any more."""
    plot = four_clients()
    plot.figure.axes[0].lines[0].set_ydata([9] * 6)
    assert read_back(plot.figure) != plot.words


def test_a_text_that_is_broken_within_a_word_is_described_whole() -> None:
    """No space comes in where a long payload was cut."""
    payload = '["order",{"items":["a","b","c","d","e","f"],"currency":"EUR","id":4711}]'
    words = plots.sequence([Step("link", "client", payload)], title="Long").words
    assert words.endswith(payload)


# As SVG and PNG


@FIGURES
def test_letters_can_be_read_in_a_window_of_480_pixels(draw: Any) -> None:
    """There a notebook shows a figure 364 pixels wide; its smallest letters are 9 pixels high."""
    figure = draw().figure
    sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text()]
    assert min(sizes) * 364 / (72 * figure.get_figwidth()) > 9


@FIGURES
def test_the_same_data_gives_the_same_svg(draw: Any) -> None:
    """Byte for byte, for a new figure and for the same one drawn again."""
    plot = draw()
    first = plots.to_svg(plot)
    assert plots.to_svg(plot) == first
    assert plots.to_svg(draw()) == first


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import test_plots as t
if {history}:
    t.plots.to_svg(t.designs()); t.plots.to_png(t.recording()); t.plots.to_svg(t.four_clients())
figures = [t.four_clients(), t.work(), t.designs(), t.recording()]
assert "matplotlib.pyplot" not in sys.modules
sys.stdout.buffer.write("".join(map(t.plots.to_svg, figures)).encode())
"""


def test_the_svg_depends_on_no_process_and_no_setting(tmp_path: Any) -> None:
    """A fresh process, with figures drawn before and a dark theme of its own, gives the same."""
    (tmp_path / "matplotlibrc").write_text(
        "figure.facecolor: black\nfont.family: monospace\npath.sketch: 1, 100, 2\n"
    )
    settings = {"MPLCONFIGDIR": str(tmp_path), "MATPLOTLIBRC": str(tmp_path / "matplotlibrc")}
    expected = "".join(plots.to_svg(draw()) for draw in (four_clients, work, designs, recording))
    script = SCRIPT.format(tests=os.path.dirname(__file__), history=True)
    environment = {**os.environ, **settings, "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=120)
    assert run.stdout.decode() == expected


@FIGURES
def test_the_svg_is_well_formed_text_on_white_with_its_description(draw: Any) -> None:
    """No date and no creator; text in fonts that readers have; ids that are ids."""
    plot = draw()
    svg = plots.to_svg(plot)
    root = ET.fromstring(svg)
    title, _, words = plot.words.partition("\n")
    assert root.findtext("{*}title") == title
    assert root.findtext(".//{*}description") == words
    assert not {"date", "creator"} & {element.tag.rpartition("}")[2] for element in root.iter()}
    assert "fill: #ffffff" in svg
    fonts = "'DejaVu Sans', 'Verdana', 'Arial', 'Helvetica', sans-serif"
    assert all(fonts in text.attrib["style"] for text in root.iter("{*}text"))
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[\w.-]+", name) for name in ids)


def test_drawing_leaves_the_readers_settings_alone() -> None:
    """What the reader set for their own figures is there afterwards, and does not leak in."""
    with mpl.rc_context({"font.size": 40, "svg.hashsalt": "mine"}):
        before = dict(mpl.rcParams)
        plot = four_clients()
        figure = plot.figure
        plots.to_svg(plot)
        assert dict(mpl.rcParams) == before
        assert figure.axes[0].xaxis.label.get_size() == 12


def test_the_picture_keeps_the_colours() -> None:
    """Also one that few pixels have, such as the blue of a count that is right."""
    rows = {f"D{n}": [4, 4, 4] for n in range(40)} | {"L1": [1, 0, 0]}
    columns = ["listeners", "packets", "effects"]
    plot = plots.signatures({"a group": rows}, title="A map", columns=columns)
    picture = Image.open(io.BytesIO(plots.to_png(plot))).convert("RGB")
    colours = {colour for _, colour in picture.getcolors(1000) or []}
    for meant in (style.ONCE, style.AGAIN):
        assert min(np.abs(np.subtract(ImageColor.getrgb(meant), one)).max() for one in colours) < 3


def test_show_displays_both_pictures_and_folds_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """One output carries PNG and SVG; the next the words; nothing is returned."""
    shown: list[tuple[dict[str, Any], dict[str, Any]]] = []
    monkeypatch.setattr("IPython.display.display", lambda data, **how: shown.append((data, how)))
    plot = plots.invocations({"a<b": [1, 2]}, title="Is a < b?")
    assert plots.show(plot) is None
    (pictures, how), (words, _) = shown
    assert pictures["application/vnd.sio-demo.svg"] == plots.to_svg(plot)
    assert pictures["image/png"].startswith(b"\x89PNG")
    assert how["raw"] is True
    assert how["metadata"]["image/png"]["width"] == 643
    assert words["text/plain"] == plot.words
    assert words["text/html"].startswith("<details>")
    assert f"<pre>{html.escape(plot.words)}</pre>" in words["text/html"]


# Bad input


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ({"a": [1, 2], "b": [1]}, "as many counts as the others"),
        ({str(n): [1] for n in range(9)}, "draw at most"),
    ],
)
@pytest.mark.parametrize("draw", [plots.invocations, plots.total_work, plots.calls_by_design])
def test_counts_that_cannot_be_drawn_are_refused(draw: Any, series: Any, message: str) -> None:
    """The message says what to pass."""
    with pytest.raises(UsageError, match=message):
        draw(series, title="Title")


def test_more_series_than_can_be_told_apart_are_refused() -> None:
    """Three lines may coincide, not four."""
    with pytest.raises(UsageError, match="at most three"):
        plots.invocations({str(n): [1, 2] for n in range(4)}, title="Title")

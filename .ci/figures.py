"""Record the wire being cut, and draw the recording as an animation: `make figures`.

The run is real: `client.js` with socket.io-client in Node.js, a python-socketio server, a TCP link.
Chromium then plays the recording with the panel's own drawing, and every frame is kept. Two files
come of it: the states (the panel replays them when its kernel is gone), and an SVG of their frames
(for the README, and for readers of a stored notebook).
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
from collections import Counter
from itertools import groupby
from typing import Any

from playwright.sync_api import sync_playwright

from sio_demo.lab.node import NodeClient
from sio_demo.panel import wire
from sio_demo.panel.clients import CLIENT_JS, FOLDER, PICTURE, RECORDING, ListenerPlace

CHROMIUM = ["chromium", "chromium-browser", "google-chrome"]
STORY = ["send", "cut", "send", "cut", "cut", "send", "outside", "cut", "cut", "send"]
FRAME = 80  # ms
REST = 3_000  # ms that the last frame stays
FOOT = 34  # pixels for the words below the drawing
COLOURS = {"ink": "#222222", "muted": "#777777", "paper": "#ffffff"}
PAGE = """<!doctype html><meta charset="utf-8"><div id="wire" style="width: 560px"></div>
<script type="module">%s
window.play = async (recording) => {
  const nothing = () => {};
  const view = new View(document.getElementById("wire"), { press: nothing, choose: nothing });
  window.still = frame(WIDE);
  await replay(view, recording, "");
  window.done = true;
};
</script>"""
HEAD = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 560 {262 + FOOT}"
font-family="system-ui, sans-serif" font-size="15" fill="#222222">
<title>The wire you can cut: a recorded run of socket.io-client</title>
<style>@media (prefers-reduced-motion: reduce) {{ .f {{ display: none }}
.last {{ display: inline; visibility: visible !important }} }}</style>
<rect width="560" height="{262 + FOOT}" fill="#ffffff"/>
<g font-size="13" fill="#777777"><text x="8" y="22">A recorded run.</text>
<text x="8" y="38">In notebook 00 you can</text><text x="8" y="54">cut the wire yourself.</text></g>
"""
LOOK = """() => [document.querySelector(".moving").innerHTML,
              document.querySelector("[role=status]").textContent.trim(), Boolean(window.done)]"""


class NodeProgram:
    """`client.js` in Node.js."""

    js: NodeClient | None = None

    async def start(self, url: str, place: ListenerPlace) -> None:
        self.js = await NodeClient.start()
        await self.js.run(CLIENT_JS)
        await self.js.run(f"startClient(io, {url!r}, {place!r}, () => {{}}); 0")

    async def stop(self) -> None:
        if self.js is not None:
            await self.js.close()


async def record() -> list[dict[str, Any]]:
    """Play the story on real connections, and return the states that the panel showed."""
    panel = wire("emitter")
    panel.clients["emitter"] = NodeProgram()
    states: list[dict[str, Any]] = []
    panel.widget.observe(
        lambda change: states.append({**change["new"], "client": "browser"}), "state"
    )
    for move in STORY:
        await (panel.choose(listener="outside") if move == "outside" else panel.press(move))
    kept = [state for state in states if state["move"]["kind"] != "session"]
    await panel.close()
    return [state for state in kept if state["ready"]]


def frames(recording: list[dict[str, Any]]) -> tuple[str, list[tuple[str, str, int]]]:
    """Return what stands still, and what moves with the words below it and its milliseconds."""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        sys.exit(f"`make figures` needs Chromium: none of {', '.join(CHROMIUM)} is on PATH.")
    seen: list[tuple[str, str]] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page()
        page.clock.install(time=0)
        page.set_content(PAGE % (CLIENT_JS + (FOLDER / "wire.js").read_text()))
        page.wait_for_function("() => Boolean(window.play)")
        page.clock.pause_at(1_000)
        page.evaluate("(recording) => void window.play(recording)", recording)
        done = False
        while not done:
            page.clock.run_for(FRAME)
            moving, words, done = page.evaluate(LOOK)
            seen.append((moving, words))
        still: str = page.evaluate("window.still")
        browser.close()
    return still, [(*frame, FRAME * len(list(same))) for frame, same in groupby(seen)]


def animation(still: str, shown: list[tuple[str, str, int]]) -> str:
    """Return an SVG in which every frame is visible for its time, again and again."""
    *first, (moving, words, ms) = shown
    shown = [*first, (moving, words, ms + REST)]
    total, began, parts = sum(ms for _, _, ms in shown), 0, []
    for moving, words, ms in shown:
        times = f"0;{began / total:.4f};{(began + ms) / total:.4f}"
        values = "hidden;visible;hidden"
        if began == 0:
            times, values = f"0;{ms / total:.4f}", "visible;hidden"
        elif began + ms == total:
            times, values = f"0;{began / total:.4f}", "hidden;visible"
        blink = (
            f'<animate attributeName="visibility" values="{values}" keyTimes="{times}" '
            f'calcMode="discrete" dur="{total}ms" repeatCount="indefinite"/>'
        )
        label = f'<text x="280" y="284" text-anchor="middle">{words}</text>'
        parts.append(f'<g class="f" visibility="hidden">{blink}{moving}{label}</g>\n')
        began += ms
    parts[-1] = parts[-1].replace('class="f"', 'class="f last"')
    svg = HEAD + shared(still + "\n" + "".join(parts)) + "</svg>\n"
    for name, colour in COLOURS.items():
        svg = svg.replace(f"var(--wire-{name})", colour)
    return svg


def shared(drawn: str) -> str:
    """Write once what many frames have in common."""
    counts = Counter(re.findall(r'<g opacity="1.00">.*?</g>|<path [^>]*></path>', drawn))
    common = [shape for shape, count in counts.items() if count > 1]
    for number, shape in enumerate(common):
        drawn = drawn.replace(shape, f'<use href="#s{number}"/>')
    shapes = (s.replace(" ", f' id="s{number}" ', 1) for number, s in enumerate(common))
    return f"<defs>{''.join(shapes)}</defs>\n{drawn}"


def main() -> None:
    recording = asyncio.run(record())
    RECORDING.write_text(json.dumps(recording, indent=1) + "\n", encoding="utf-8")
    PICTURE.write_text(animation(*frames(recording)), encoding="utf-8")
    print(
        f"{RECORDING.name}: {len(recording)} states; {PICTURE.name}: {PICTURE.stat().st_size} bytes"
    )


if __name__ == "__main__":
    main()

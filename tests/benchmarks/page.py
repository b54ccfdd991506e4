"""The outbox of a page, in Chromium, against what socket.io-client does by itself.

One server and one link without a tap; the page's clock runs from the first message to the last
reply (`emit`: until the server answers the event that follows). The round trip of 20 ms is the
link's latency of 10 ms each way.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import socketio
from delivery import LATENCY
from harness import Figure, Options, ratio, take_turns
from playwright.async_api import Page, Route, async_playwright

from sio_demo.delivery import OUTBOX_MJS, Inbox
from sio_demo.lab import packages
from sio_demo.lab.link import Link
from sio_demo.lab.server import serve

sys.path.append(str(Path(__file__).parents[1] / "chaos"))
from pages import FLAGS, find_chromium

PAGE = """<!doctype html><script type="module">
  import { io } from "/page/socket.io.mjs";
  import { IndexedDBStore, MemoryStore, Outbox } from "/page/outbox.mjs";

  const connect = (options) => io({ transports: ["websocket"], forceNew: true, ...options });
  const socket = connect(), retrying = connect({ retries: 3, ackTimeout: 5000 });
  const memory = new Outbox(connect(), new MemoryStore());
  const disk = new Outbox(connect(), new IndexedDBStore("bench"));
  const message = (order) => ({ order, item: "coffee", price: 3.5 });
  const all = (count, send) =>
    Promise.all(Array.from({ length: count }, (_, order) => send(message(order))));
  const sides = {
    emit(count) {
      for (let order = 0; order < count; order++) socket.emit("order", message(order));
      return socket.emitWithAck("ask");
    },
    retries: (count) => all(count, (order) => retrying.emitWithAck("ask", order)),
    "in memory": (count) => all(count, (order) => memory.send("order", order)),
    "in IndexedDB": (count) => all(count, (order) => disk.send("order", order)),
    async "one message"(count) {
      for (let order = 0; order < count; order++) await memory.send("order", message(order));
    },
    async emitWithAck(count) {
      for (let order = 0; order < count; order++) await socket.emitWithAck("ask", message(order));
    },
  };
  window.seconds = async (side, count) => {
    const began = performance.now();
    await sides[side](count);
    return (performance.now() - began) / 1000;
  };
  await Promise.all([memory.send("order", 0), disk.send("order", 0)]);
  window.ready = true;
</script>"""
CLIENT = packages.folder() / "node_modules/socket.io-client/dist/socket.io.esm.min.js"
FILES = {"socket.io.mjs": CLIENT, "outbox.mjs": Path(OUTBOX_MJS.removeprefix("file://"))}


async def serve_files(route: Route) -> None:
    """Answer with the page or a script; the measured link carries packets only."""
    name = route.request.url.split("/page/")[1]
    if name in FILES:
        await route.fulfill(path=FILES[name])
    else:
        await route.fulfill(body=PAGE, content_type="text/html")


async def measure(options: Options) -> list[Figure]:
    sio = socketio.AsyncServer(async_mode="aiohttp")
    inbox = Inbox(sio)
    inbox.on("order", lambda db, order: None)

    @sio.on("order")
    async def order(_sid: str, _order: Any) -> None:
        """Do as little as the inbox's handler."""

    @sio.on("ask")
    async def ask(_sid: str, _order: Any = None) -> None:
        """Do nothing, and answer."""

    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(await serve(sio))
        link = await stack.enter_async_context(await Link.to(server, tap=False))
        chromium = (await stack.enter_async_context(async_playwright())).chromium
        browser = await chromium.launch(executable_path=find_chromium(), args=FLAGS)
        stack.push_async_callback(browser.close)
        page = await browser.new_page()
        await page.route("**/page/**", serve_files)
        await page.goto(f"{link.url}/page/")
        await page.wait_for_function("window.ready")
        figures = await compare(page, options)
        async with link.latency(LATENCY):
            figures += await far_away(page, options)
    await inbox.close()
    return figures


async def rate(page: Page, side: str, count: int) -> float:
    """Return messages per second."""
    return count / float(await page.evaluate("(a) => seconds(...a)", [side, count]))


async def turns(page: Page, counts: Mapping[str, int], options: Options) -> dict[str, list[float]]:
    sides = {side: partial(rate, page, side, count) for side, count in counts.items()}
    return await take_turns(sides, options.pick(5, 1))


async def compare(page: Page, options: Options) -> list[Figure]:
    """Measure the rate against `emit`, and the time of one message against `emitWithAck`."""
    many, few = options.pick(10_000, 200), options.pick(500, 20)
    values = await turns(page, {"in memory": many, "in IndexedDB": many, "emit": many}, options)
    figures = [ratio(values, side, "emit", "/s") for side in ("in memory", "in IndexedDB")]
    values = await turns(page, {"one message": few, "emitWithAck": few}, options)
    times = {side: [1e6 / one for one in rates] for side, rates in values.items()}
    return [*figures, ratio(times, "one message", "emitWithAck", "µs")]


async def far_away(page: Page, options: Options) -> list[Figure]:
    """Compare with the ``retries`` of socket.io-client, over a round trip of 20 ms."""
    counts = {"in memory": options.pick(10_000, 200), "retries": options.pick(60, 5)}
    figure = ratio(await turns(page, counts, options), "in memory", "retries", "/s")
    return [replace(figure, kind="20 ms / retries", name=f"{figure.name}, 20 ms")]


def run(options: Options) -> list[Figure]:
    """Measure all, or nothing where there is no Chromium."""
    return asyncio.run(measure(options)) if find_chromium() else []

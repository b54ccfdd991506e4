"""Fault schedules with a page as the client: socket.io-client in Node, or in headless Chromium.

``make chaos CLIENT=node`` and ``CLIENT=browser`` run this file.
"""

import argparse
import asyncio
import json
import logging
import random
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import socketio
from two_places import beside

from sio_demo.chaos import faults as cuts
from sio_demo.chaos.checker import Applied, Journal, Verdict, check
from sio_demo.chaos.schedule import TRANSPORTS
from sio_demo.commands import chaos as command
from sio_demo.delivery import Feed, Inbox, MemoryInboxStore
from sio_demo.lab import packages
from sio_demo.lab.bench import Bench
from sio_demo.lab.node import NodeClient
from sio_demo.lab.packet import TO_CLIENT

ROOT = Path(__file__).parents[2]
PAGE = "tests/chaos/page"
LIMIT = 10.0  # seconds in which all must be applied and seen, once the faults are over
CUTS = ("reset", "half-open", "black hole", "lost ack", "reload")
DEATHS = ("tab killed", "browser killed", "second tab", "tab closed")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"),
    "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets",
)


class NodePage:
    """A page in Node: what outlives it is an object."""

    faults: tuple[str, ...] = CUTS

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        self.url, self.options = url, json.dumps(options)
        self.tabs: dict[int, Any] = {}

    async def start(self, exits: AsyncExitStack) -> None:
        self.tabs[1] = node = await NodeClient.start()
        exits.push_async_callback(node.close)
        module = (ROOT / f"{PAGE}.mjs").as_uri()
        await node.run(f"const {{ lasting, open }} = await load('{module}')")
        await node.run("const place = lasting(); let page")
        await self.strike("open")

    async def run(self, code: str, tab: int = 1) -> Any:
        return await self.tabs[tab].run(code, LIMIT)

    async def strike(self, _: str) -> None:
        """Let something happen to the tabs; then the first one is open."""
        again = f"page = open(io, '{self.url}', place, {self.options}); null"
        await self.run(f"await page?.close(); {again}")


class BrowserPage(NodePage):
    """Tabs in headless Chromium, on a profile that outlives the browser."""

    faults = (*CUTS, *DEATHS)

    async def run(self, code: str, tab: int = 1) -> Any:
        async with asyncio.timeout(LIMIT):
            return await self.tabs[tab].evaluate(code)

    async def start(self, exits: AsyncExitStack) -> None:
        from playwright.async_api import async_playwright

        folder = exits.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        chromium = (await exits.enter_async_context(async_playwright())).chromium
        options: Any = {"executable_path": find_chromium(), "args": FLAGS}
        self._launch = partial(chromium.launch_persistent_context, f"{folder}/profile", **options)
        exits.push_async_callback(self._end)
        await self._start_browser()

    async def strike(self, fault: str) -> None:
        if fault == "second tab":
            if 2 not in self.tabs:
                await self._open(2)
            return
        if fault == "reload":
            await self.tabs[1].reload()
            await self.tabs[1].wait_for_function("window.page")
            return
        if fault == "browser killed":
            await self._kill("")
            await self._end()
            self.tabs.clear()
            await self._start_browser()
            return
        if fault == "tab killed":
            await self._kill("--type=renderer")
        for number in [*self.tabs] if fault == "tab killed" else [1]:
            await self.tabs.pop(number).close()
        await self._open(1)

    async def _start_browser(self) -> None:
        self._browser = await self._launch()
        await self._browser.route("**/page/**", _serve)
        await self._open(1)

    async def _open(self, number: int) -> None:
        self.tabs[number] = tab = await self._browser.new_page()
        await tab.goto(f"{self.url}/page/#{quote(self.options)}")
        await tab.wait_for_function("window.page")

    async def _end(self) -> None:
        with suppress(Exception):  # it has gone
            await self._browser.close()

    async def _kill(self, kind: str) -> None:
        """Kill processes of the browser with SIGKILL, and wait until they are gone."""
        children = psutil.Process().children(recursive=True)
        profile = self._launch.args[0]
        [root, *_] = [p for p in children if profile in _command(p)]
        family = [root, *root.children(recursive=True)]
        killed = [p for p in family if kind in _command(p)]
        for process in killed:
            process.kill()
        await asyncio.to_thread(psutil.wait_procs, killed, LIMIT)


def _command(process: psutil.Process) -> str:
    """Return the command line of a process; an empty text if it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


async def _serve(route: Any) -> None:
    """Answer with a file of this package: the page's own requests meet no fault."""
    name = route.request.url.split("/page/")[1].split("#")[0]
    client = packages.folder() / "node_modules/socket.io-client/dist/socket.io.esm.min.js"
    path = client if name == "socket.io.mjs" else ROOT / (name or f"{PAGE}.html")
    await route.fulfill(path=path)


def find_chromium() -> str | None:
    found = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    return next((path for path in found if path), None)


KINDS = {"node": NodePage, "browser": BrowserPage}


async def run_all(
    seeds: Iterable[int], variant: str = "none", *, client: str = "node"
) -> AsyncGenerator[Verdict, None]:
    kind = KINDS[client]
    logging.disable(logging.ERROR)  # the libraries log every connection that is cut
    try:
        for seed in seeds:
            async with AsyncExitStack() as exits:
                yield await Play(seed, variant).run(kind, exits)
    finally:
        logging.disable(logging.NOTSET)


class Play:
    """A schedule: a server with an inbox and a feed, and pages that send to it and read it."""

    def __init__(self, seed: int, variant: str) -> None:
        self.seed, self.variant, self.chance = seed, variant, random.Random(seed)
        self.applied: list[Applied] = []
        self.journals: dict[int, Journal] = {}  # by tab
        self.faults: list[str] = []

    async def run(self, kind: type[NodePage], exits: AsyncExitStack) -> Verdict:
        """Let faults strike while all tabs send; judge what was applied, and what was seen."""
        bench, store = Bench(), MemoryInboxStore()
        sio = socketio.AsyncServer(async_mode="aiohttp")
        self._inbox, self._feed = Inbox(sio, store), Feed(sio, store)
        self._inbox.on("order", self._order)
        self._inbox.after_commit("order", self._publish)
        await bench.serve(sio)
        exits.push_async_callback(self._inbox.close)
        exits.push_async_callback(bench.close)
        transports = self.chance.choice([*TRANSPORTS.values()])
        options = {"variant": self.variant, "transports": transports}
        self.link, self.page = bench.link, kind(bench.link.url, options)
        await self.page.start(exits)
        return self._judge(*await self._finish(kind.faults))

    def _order(self, db: Any, order: dict[str, int]) -> None:
        self._feed.append(db, "orders", "applied", {"at": len(self.applied)})
        self.applied.append(Applied(order["client"], order["number"], ""))

    async def _publish(self, *_: Any) -> None:
        await self._feed.publish("orders")

    async def _send(self, tab: int, numbers: list[int], until: str) -> None:
        """Send messages from a tab, and wait until they are all accepted, or answered."""
        journal = self.journals.setdefault(tab, Journal())
        journal.sent += numbers
        await self.page.run(f"page.{until}({tab}, {json.dumps(numbers)})", tab)
        journal.accepted += numbers

    async def _try_to_send(self, tab: int, first: int, count: int) -> None:
        with suppress(Exception):  # the tab may die before it says that they are accepted
            await self._send(tab, [*range(first, first + count)], "accept")

    async def _strike(self, fault: str) -> None:
        self.faults.append(fault)
        if fault == "black hole":
            async with self.link.black_hole():
                await asyncio.sleep(self.chance.uniform(0, 0.5))
        elif fault == "lost ack":
            with suppress(Exception):  # no answer was on its way
                async with asyncio.timeout(0.3), self.link.cut_when("ACK") as cut:
                    await cut
        elif fault in cuts.CUTS:
            await self.link.cut(cuts.CUTS[fault])
        else:  # while the server applies what is sent, and its answers are lost
            async with self.link.black_hole(TO_CLIENT):
                await asyncio.sleep(0.05)
                await self.page.strike(fault)

    async def _perform(self, faults: tuple[str, ...]) -> None:
        for first in range(0, 30 * self.chance.randrange(3, 8), 30):
            for tab in self.page.tabs:
                await self._send(tab, [first], "answer")  # it is connected again
            count = self.chance.choice((1, 3, 20))
            sending = [
                asyncio.create_task(self._try_to_send(tab, first + 1, count))
                for tab in self.page.tabs
            ]
            if self.chance.random() < 0.5:
                await asyncio.wait(sending)
            await self._strike(self.chance.choice(faults))
            await asyncio.wait(sending)

    async def _finish(self, faults: tuple[str, ...]) -> tuple[list[int], list[str]]:
        """Play to the end; return what the page has seen, or what is stuck."""
        try:
            await self._perform(faults)
            for tab in self.page.tabs:
                await self._send(tab, [1000], "answer")  # all before it are applied then
            seen: list[int] = []
            async with asyncio.timeout(LIMIT):
                while len(seen) < len(self.applied):
                    seen = await self.page.run("page.seen()")
            return seen, []
        except Exception as error:
            errors = await self.page.run("page.errors()")
            return [], [f"stuck: {type(error).__name__}: {error}; {errors}"]

    def _judge(self, seen: list[int], stuck: list[str]) -> Verdict:
        sent = check(self.journals, self.applied)
        order = [] if stuck else [*range(len(self.applied))]
        read = check({1: Journal(order, order)}, [Applied(1, at, "") for at in seen])
        found = beside(sent, read, "in the page")
        return Verdict(
            self.seed,
            self.variant,
            tuple(self.faults),
            sum(len(journal.accepted) for journal in self.journals.values()),
            *found._replace(findings=(*found.findings, *stuck)),
        )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    command.add_seeds(parser)
    parser.add_argument("--client", choices=KINDS, default="node", help="who sends")
    variants = ("none", "id-per-tab", "offset-beside", "no-lock")
    parser.add_argument("--variant", choices=variants, default="none", help="one with a fault")
    options = parser.parse_args(arguments)
    if options.client == "browser" and not find_chromium():
        print("no Chromium on PATH: no schedule was played")
        return 0
    seeds = command.seeds(options)
    runs = run_all(seeds, options.variant, client=options.client)

    def again(failure: Verdict) -> str:
        broken = f' ARGS="--variant {failure.variant}"' if failure.variant != "none" else ""
        return f"make chaos SEED={failure.seed} CLIENT={options.client}{broken}"

    return asyncio.run(command.report(runs, len(seeds), str, again))


if __name__ == "__main__":
    sys.exit(main())

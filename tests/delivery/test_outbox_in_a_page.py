"""Outbox and follower in a real browser: IndexedDB, tabs, and processes that die."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import socketio
from aiohttp import web
from chromium import FLAGS, find_chromium
from playwright.async_api import BrowserContext, Page, async_playwright
from playwright.async_api import Error as PlaywrightError
from socketio.exceptions import ConnectionRefusedError

from sio_demo.delivery import Feed, Inbox, MemoryInboxStore
from sio_demo.lab.link import Link
from sio_demo.lab.waiting import wait_until

PAGE = """<!doctype html><title>Shop</title><h1>Orders</h1><ol id="done"></ol>
<script type="module">
  import { io } from "/socket.io.mjs";
  import { Outbox, IndexedDBStore, promised } from "/outbox.mjs";
  import { Follower, IndexedDBOffsets } from "/follower.mjs";

  const socket = io({ transports: ["websocket"], reconnectionDelay: 10 });
  const outbox = new Outbox(socket, new IndexedDBStore("orders"), { retryDelay: 10 });
  window.order = (item) => outbox.send("order", item);

  const offsets = new IndexedDBOffsets("news", 1, (database) => {
    database.createObjectStore("seen", { autoIncrement: true });
    database.createObjectStore("items", { keyPath: "id" });
  });
  const follower = new Follower(socket, offsets, { retryDelay: 10 });
  follower.on("ordered", (transaction, item) => { transaction.objectStore("seen").add(item); });
  window.seen = () => offsets.transact("readonly", (transaction) =>
    promised(transaction.objectStore("seen").getAll()));
  Object.assign(window, { outbox, socket, follower, Follower, IndexedDBOffsets, IndexedDBStore });
</script>"""
ROOT = Path(__file__).parents[2]
CLIENT = "sio_demo/lab/node/node_modules/socket.io-client/dist/socket.io.esm.min.js"
FILES = {
    "/shop": PAGE,
    "/socket.io.mjs": (ROOT / CLIENT).read_text(encoding="utf-8"),
    **{
        f"/{name}.mjs": (ROOT / f"sio_demo/delivery/js/{name}.mjs").read_text(encoding="utf-8")
        for name in ("outbox", "follower")
    },
}
ORDER = "(items) => Promise.all(items.map((item) => order(item)))"
ACCEPT = "(items) => Promise.all(items.map((item) => order(item).accepted)).then(() => null)"


class Shop:
    """A server with an inbox behind a link, and a browser with a profile that outlives it."""

    def __init__(self, link: Link, feed: Feed, open_browser: Any) -> None:
        self.applied: list[Any] = []
        self.store = MemoryInboxStore()
        self.link = link
        self.feed = feed
        self._open = open_browser
        self.browser: BrowserContext

    def forget(self) -> None:
        """Let the inbox forget all that it knows."""
        self.store.forget(0, ())

    async def start_browser(self) -> None:
        self.browser = await self._open()

    async def tab(self) -> Page:
        """Open the page."""
        page = await self.browser.new_page()
        await page.goto(f"{self.link.url}/shop")
        await page.wait_for_function("window.socket?.connected")
        return page

    async def append(self, *items: Any, event: str = "ordered") -> None:
        """Append entries to the topic that the page follows."""
        for item in items:
            async with self.feed.transaction() as db:
                self.feed.append(db, "orders", event, item)

    async def kill_browser(self) -> None:
        """Kill every process of the browser with SIGKILL, and wait until its profile is free."""
        await self._kill(self._processes())
        with suppress(PlaywrightError):  # it has gone
            await self.browser.close()

    async def kill_tab(self, tab: Page) -> None:
        """Kill the process of the only tab with SIGKILL."""
        crashed = asyncio.Event()
        tab.once("crash", lambda _: crashed.set())
        await self._kill([p for p in self._processes() if "--type=renderer" in p.cmdline()])
        await crashed.wait()
        await tab.close()

    def _processes(self) -> list[psutil.Process]:
        children = psutil.Process().children(recursive=True)
        roots = [p for p in children if any("shop-profile" in word for word in p.cmdline())]
        return list({*roots, *(child for p in roots for child in p.children(recursive=True))})

    async def _kill(self, processes: list[psutil.Process]) -> None:
        for process in processes:
            process.kill()
        _, alive = await asyncio.to_thread(psutil.wait_procs, processes, 10)
        assert processes
        assert not alive


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    chromium = find_chromium()
    app, sio = web.Application(), socketio.AsyncServer(async_mode="aiohttp")
    sio.attach(app)
    for path, text in FILES.items():
        app.router.add_get(path, sender_of(text))
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    link = await Link.to(f"http://127.0.0.1:{runner.addresses[0][1]}")
    async with async_playwright() as playwright:

        async def open_browser() -> BrowserContext:
            return await playwright.chromium.launch_persistent_context(
                tmp_path / "shop-profile", executable_path=chromium, args=FLAGS
            )

        feed = Feed(sio)
        shop = Shop(link, feed, open_browser)
        inbox = Inbox(sio, shop.store)
        inbox.on("order", lambda _, item: shop.applied.append(item) or f"{item} is ordered")
        await shop.start_browser()
        yield shop
        await shop.browser.close()
    await link.close()
    await inbox.close()
    await feed.close()
    await sio.shutdown()
    await runner.cleanup()


def sender_of(text: str) -> Any:
    """Return what answers with a page, or a script."""
    kind = "text/html" if text.startswith("<") else "text/javascript"

    async def send(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type=kind)

    return send


async def test_ten_orders_survive_a_cut_and_a_closed_tab(shop: Shop) -> None:
    page = await shop.tab()
    assert await page.evaluate(ORDER, [0]) == ["0 is ordered"]
    async with shop.link.refuse():
        await shop.link.cut()
        await page.evaluate(ACCEPT, [*range(1, 10)])
        await page.close()
    page = await shop.tab()
    await wait_until(lambda: len(shop.applied) == 10)
    assert await page.evaluate(ORDER, [10]) == ["10 is ordered"]
    assert shop.applied == [*range(11)]


async def test_an_answer_that_was_lost_is_given_again(shop: Shop) -> None:
    page = await shop.tab()
    async with shop.link.cut_when("ACK") as cut:
        answers = await page.evaluate(ORDER, ["tea", "milk"])
        await cut
    assert answers == ["tea is ordered", "milk is ordered"]
    assert shop.applied == ["tea", "milk"]


async def test_two_tabs_share_one_outbox_and_one_goes_on_when_the_other_ends(shop: Shop) -> None:
    first, second = await shop.tab(), await shop.tab()
    answers = await asyncio.gather(
        first.evaluate(ORDER, ["a1", "a2"]), second.evaluate(ORDER, ["b1", "b2"])
    )
    assert answers == [
        [f"{item} is ordered" for item in items] for items in (["a1", "a2"], ["b1", "b2"])
    ]
    async with shop.link.refuse():
        await shop.link.cut()
        await first.evaluate(ACCEPT, ["a3"])
        waiting = asyncio.create_task(second.evaluate(ORDER, ["b3"]))
        await wait_until(lambda: second.evaluate("outbox.pending"))
        await first.close()
    assert await waiting == ["b3 is ordered"]
    assert sorted(shop.applied) == ["a1", "a2", "a3", "b1", "b2", "b3"]
    for tab in "ab":
        assert [item for item in shop.applied if item[0] == tab] == [f"{tab}{n}" for n in (1, 2, 3)]


async def test_a_tab_that_disconnects_lets_another_send(shop: Shop) -> None:
    first, second = await shop.tab(), await shop.tab()
    assert await first.evaluate(ORDER, ["a"]) == ["a is ordered"]
    await first.evaluate("socket.disconnect() && null")
    assert await second.evaluate(ORDER, ["b"]) == ["b is ordered"]
    await second.close()
    await first.evaluate("socket.connect() && null")
    assert await first.evaluate(ORDER, ["c"]) == ["c is ordered"]
    assert shop.applied == ["a", "b", "c"]


async def test_a_tab_whose_token_has_expired_says_so_and_lets_another_send(shop: Shop) -> None:
    first, second = await shop.tab(), await shop.tab()
    assert await first.evaluate(ORDER, ["a"]) == ["a is ordered"]

    async def connect(_sid: str, _environ: object, auth: Any) -> None:
        if auth:
            raise ConnectionRefusedError("expired")

    shop.feed._sio.on("connect", connect)
    await first.evaluate("() => { socket.auth = { token: 'old' }; }")
    await shop.link.cut()
    await first.wait_for_function("outbox.lastError?.message === 'expired'")
    async with asyncio.timeout(10):
        assert await second.evaluate(ORDER, ["b"]) == ["b is ordered"]
    await second.close()
    await first.evaluate("() => { socket.auth = {}; socket.connect(); }")
    await first.wait_for_function("outbox.lastError === null")
    assert await first.evaluate(ORDER, ["c"]) == ["c is ordered"]
    assert shop.applied == ["a", "b", "c"]


async def test_a_final_refusal_is_told_to_all_tabs_and_one_may_go_on(shop: Shop) -> None:
    first, second = await shop.tab(), await shop.tab()
    assert await first.evaluate(ORDER, ["a"]) == ["a is ordered"]
    shop.forget()
    await shop.link.cut()
    await first.wait_for_function("outbox.lastError?.name === 'UnknownProducerError'")
    for tab in (second, await shop.tab()):
        words = await tab.evaluate("order('b').catch(({ name }) => name)")
        assert words == "UnknownProducerError"
    await first.evaluate("outbox.reissue()")
    assert await second.evaluate(ORDER, ["c"]) == ["c is ordered"]
    assert shop.applied == ["a", "b", "b", "c"]  # both were accepted, and kept


async def test_what_was_accepted_survives_the_death_of_the_browser(shop: Shop) -> None:
    page = await shop.tab()
    assert await page.evaluate(ORDER, [0]) == ["0 is ordered"]
    async with shop.link.refuse():
        await shop.link.cut()
        await page.evaluate(ACCEPT, [*range(1, 50)])
        await shop.kill_browser()
    await shop.start_browser()
    await shop.tab()
    await wait_until(lambda: len(shop.applied) == 50)
    assert shop.applied == [*range(50)]


async def test_a_reload_in_the_middle_doubles_nothing(shop: Shop) -> None:
    page = await shop.tab()
    for number in range(0, 20, 2):
        await page.evaluate(ACCEPT, [number, number + 1])
        await page.reload()
        await page.wait_for_function("window.socket?.connected")
    await wait_until(lambda: len(shop.applied) == 20)
    assert await page.evaluate(ORDER, [20]) == ["20 is ordered"]
    assert shop.applied == [*range(21)]


async def test_a_full_disk_is_named(shop: Shop) -> None:
    page = await shop.tab()
    words = await page.evaluate("""async () => {
      const full = new DOMException("full", "QuotaExceededError");
      IDBObjectStore.prototype.add = () => { throw full; };
      return order("tea").accepted.catch(({ name, message }) => `${name}: ${message}`);
    }""")
    assert words == "StoreError: outbox orders: QuotaExceededError: full"
    assert shop.applied == []


async def test_a_transaction_that_fails_half_way_is_told_once(shop: Shop) -> None:
    page = await shop.tab()
    await page.evaluate("""() => {
      const { add } = IDBObjectStore.prototype;
      let calls = 0;
      IDBObjectStore.prototype.add = function (text) {
        if (++calls > 1) throw new DOMException("the disk is full", "QuotaExceededError");
        return add.call(this, text);
      };
      window.unseen = [];
      addEventListener("unhandledrejection", ({ reason }) => unseen.push(String(reason)));
    }""")
    both = 'Promise.all(["tea", "milk"].map((item) => order(item).catch(({ name }) => name)))'
    assert await page.evaluate(both) == ["StoreError"] * 2
    assert await page.evaluate("new Promise((go) => setTimeout(() => go(unseen)))") == []
    assert shop.applied == []


async def test_a_database_that_the_user_deletes_ends_what_waits_by_name(shop: Shop) -> None:
    page = await shop.tab()
    assert await page.evaluate(ORDER, ["tea"]) == ["tea is ordered"]
    async with shop.link.refuse():
        await shop.link.cut()
        await page.evaluate("() => { window.milk = order('milk'); return milk.accepted; }")
        await page.evaluate("indexedDB.deleteDatabase('outbox orders'); null")
    name = await asyncio.wait_for(page.evaluate("milk.catch((error) => error.name)"), 10)
    assert name == "ClosedError"
    other = await shop.tab()
    assert await other.evaluate(ORDER, ["cake"]) == ["cake is ordered"]
    assert shop.applied == ["tea", "cake"]


async def test_a_database_that_cannot_be_opened_is_named_and_can_be_closed(shop: Shop) -> None:
    """A newer page has made it, for example. To clean up is no time for an error."""
    page = await shop.tab()
    names = await page.evaluate("""async () => {
        const request = indexedDB.open("late", 7);
        await new Promise((resolve) => { request.onsuccess = resolve; });
        request.result.close();
        const late = new Follower(socket, new IndexedDBOffsets("late", 1, () => {}));
        const name = await late.follow("orders").catch((error) => error.name);
        return [name, await late.close().then(() => "closed", (error) => error.name)];
    }""")
    assert names == ["ClosedError", "closed"]


async def test_a_page_that_may_keep_nothing_is_told_so_by_name(shop: Shop) -> None:
    """In a sandbox, or in a frame whose storage is blocked, the browser throws at the first use."""
    page = await shop.tab()
    names = await page.evaluate("""async () => {
        const denied = () => { throw new DOMException("denied", "SecurityError"); };
        IDBFactory.prototype.open = denied;
        LockManager.prototype.request = async () => denied();
        const late = new Follower(socket, new IndexedDBOffsets("denied", 1, () => {}));
        late.follow("orders").catch(() => {});
        while (!late.lastError) await new Promise((resolve) => { setTimeout(resolve, 5); });
        await late.close();
        const box = new outbox.constructor(socket, new IndexedDBStore("denied"));
        const accepted = () => box.send("order", "tea").accepted.catch((error) => error.name);
        return [late.lastError.name, await accepted(), await accepted(), await box.close()];
    }""")
    assert names == ["StoreError", "StoreError", "StoreError", None]


async def test_what_is_sent_before_a_close_is_in_the_database(shop: Shop) -> None:
    """A click that sends may also unmount the component: the message was gone."""
    page = await shop.tab()
    found = await page.evaluate("""async () => {
        const receipt = order("tea");
        const closing = outbox.close();
        const accepted = await receipt.accepted.then(() => "accepted", (error) => error.name);
        await closing;
        return [accepted, await receipt.catch((error) => error.name)];
    }""")
    assert found == ["accepted", "ClosedError"]
    await shop.tab()
    await wait_until(lambda: shop.applied == ["tea"])


async def follow(page: Page) -> None:
    """Follow, until all that the log has is read."""
    async with asyncio.timeout(10):
        await page.evaluate("follower.follow('orders')")


async def has_seen(page: Page, count: int) -> bool:
    return len(await page.evaluate("seen()")) >= count


async def seen(page: Page, *items: Any) -> None:
    """Wait until so many entries are in the database of the page, and compare them."""
    await wait_until(partial(has_seen, page, len(items)))
    assert await page.evaluate("seen()") == [*items]


async def test_reading_goes_on_after_cuts_reloads_and_the_death_of_the_tab(shop: Shop) -> None:
    page = await shop.tab()
    for number, strike in enumerate(("cut", "reload", "kill") * 2):
        await follow(page)
        appending = asyncio.create_task(shop.append(*range(30 * number, 30 * number + 30)))
        await wait_until(partial(has_seen, page, 30 * number + 1))
        if strike == "cut":
            await shop.link.cut()
        elif strike == "reload":
            await page.reload()
            await page.wait_for_function("window.socket?.connected")
        else:
            await shop.kill_tab(page)
            page = await shop.tab()
        await appending
    await follow(page)
    await seen(page, *range(180))


async def test_two_tabs_with_one_database_read_each_entry_once(shop: Shop) -> None:
    tabs = await shop.tab(), await shop.tab()
    await asyncio.gather(*map(follow, tabs))
    await shop.append(*range(40))
    await seen(tabs[0], *range(40))
    await tabs[0].close()
    await shop.append(40)
    await seen(tabs[1], *range(41))


async def test_an_old_page_is_told_that_a_newer_one_has_the_database(shop: Shop) -> None:
    page = await shop.tab()
    await follow(page)
    name = """async () => {
      window.newer = new IndexedDBOffsets("news", 2, () => {});
      await newer.load("orders");
      const old = new Follower(socket, new IndexedDBOffsets("news", 1, () => {}));
      return old.follow("orders").catch((error) => error.name);
    }"""
    assert await asyncio.wait_for(page.evaluate(name), 5) == "ClosedError"


async def test_what_a_handler_does_commits_with_the_offset_or_not_at_all(shop: Shop) -> None:
    page = await shop.tab()
    await page.evaluate("""() => {
      const seen = (transaction, item) => transaction.objectStore("seen").add(item);
      let full = 2;
      follower.on("raises", (transaction, item) => {
        seen(transaction, item);
        throw new RangeError("an odd one");
      });
      follower.on("known already", (transaction, item) => { // it does not wait for the request
        seen(transaction, item);
        transaction.objectStore("items").add({ id: 1 });
      });
      follower.on("aborts", (transaction, item) => {
        seen(transaction, item);
        transaction.abort();
      });
      follower.on("full", (transaction, item) => {
        seen(transaction, item);
        if (full--) throw new DOMException("full", "QuotaExceededError");
      });
      follower.on("waits", async (transaction, item) => { // for something else
        seen(transaction, item);
        await new Promise((go) => transaction.addEventListener("complete", go));
        throw Object.assign(new Error("too late"), { name: "Retry" });
      });
    }""")
    undone = "raises", "known already", "known already", "aborts"
    for item, event in enumerate(["ordered", *undone, "full", "waits", "ordered"]):
        await shop.append(item, event=event)
    await follow(page)
    await seen(page, 0, 2, 5, 6, 7)

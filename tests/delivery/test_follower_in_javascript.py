"""The follower for socket.io-client, in Node, on the real feed."""

import asyncio
import random
from functools import partial

import pytest
import pytest_asyncio
from test_feed import FeedBench

from sio_demo.delivery import FOLLOWER_MJS, MemoryInboxStore
from sio_demo.delivery.message import Batch, Page
from sio_demo.lab.node import NodeClient

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOG = "5a1c0000-0000-0000-0000-000000000000"

SETUP = f"""
const {{ Follower, MemoryOffsets }} = await load("{FOLLOWER_MJS}");
const store = new MemoryOffsets();
const options = {{ transports: ["websocket"], reconnectionDelay: 10 }};
const socket = io(url, options);
const seen = [], gaps = [];
const onGap = (...gap) => {{ gaps.push(gap); }};
const open = (more) => {{
  const follower = new Follower(socket, store, {{ retryDelay: 10, onGap, ...more }});
  follower.on("note", (_, number) => {{ seen.push(number); }});
  return follower;
}};
const mistake = (promise) => promise.then(() => null, ({{ name }}) => name);
let follower = open();
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node():
    """One Node for all tests: to start it takes longer than most of them."""
    node = await NodeClient.start()
    yield node
    await node.close()


@pytest_asyncio.fixture(loop_scope="module")
async def bench(request, tmp_path):
    bench = FeedBench(tmp_path)
    bench.pings = getattr(request, "param", bench.pings)
    await bench.start(MemoryInboxStore())
    yield bench
    await bench.close()


@pytest_asyncio.fixture(loop_scope="module")
async def js(bench, node):
    """A page that is open, with a follower."""
    await node.run(f"globalThis.url = '{bench.link.url}'; {SETUP}")
    yield node
    await node.run("await follower.close(); socket.disconnect(); null")


async def seen(js, *numbers):
    """Wait until so many entries are seen, and compare them."""
    await js.run(
        f"while (seen.length < {len(numbers)}) await new Promise((go) => setTimeout(go, 5))"
    )
    assert await js.run("seen") == [*numbers]


@pytest.mark.parametrize(
    "lie", [None, 7, [], {"end": 1, "entries": {"messages": "x"}}, {"end": "x", "entries": None}]
)
async def test_what_is_no_page_is_named(bench, js, lie):
    bench.sio.on("feed", lambda *_: lie)
    assert await js.run("mistake(follower.follow('orders'))") == "BatchError"


@pytest.mark.parametrize("text", ["7", "null", "[1]", '["a"]', '["a",5,1]'])
async def test_what_is_no_entry_is_named_and_not_waited_for(bench, js, text):
    page = Page("orders", 1, Batch(LOG, 0, 0, "", 0, [text])).to_wire()
    bench.sio.on("feed", lambda *_: page)
    assert await js.run("mistake(follower.follow('orders'))") == "BatchError"


async def test_a_log_without_an_id_is_followed_by_nobody(bench, js):
    entries = Batch(LOG, 0, 0, "", 0, ['["a","note",1]']).to_wire() | {"producer": None}
    bench.sio.on("feed", lambda *_: {"topic": "orders", "end": 1, "entries": entries})
    assert await js.run("mistake(follower.follow('orders'))") == "BatchError"
    assert await js.run("seen") == []


@pytest.mark.parametrize("offset", ["-1", "NaN", "1.5", "'5'", "null", "1 / 0", "2 ** 60"])
async def test_a_follower_restarts_at_an_offset_and_nowhere_else(js, offset):
    assert await js.run(f"mistake(follower.restart('orders', {offset}))") == "UsageError"


@pytest.mark.parametrize("option", ["ackTimeout: 2000", "retries: 3, ackTimeout: 2000"])
async def test_a_socket_may_have_its_own_timeout(bench, js, option):
    """Its callbacks get an error first, and one when the connection is lost."""
    await bench.append(1)
    await js.run(f"""
        const other = io(url, {{ ...options, forceNew: true, {option} }});
        follower = new Follower(other, store, {{ retryDelay: 10, interval: 100 }});
        follower.on("note", (_, number) => {{ seen.push(number); }});""")
    assert await js.run("mistake(follower.follow('orders'))") is None
    await bench.link.cut()
    await bench.append(2)
    await asyncio.wait_for(seen(js, 1, 2), 5)
    await js.run("other.disconnect(); null")


async def test_a_handler_that_never_ends_does_not_hold_up_close_for_good(bench, js):
    await bench.append(1)
    await js.run("""
        const real = setTimeout;
        globalThis.setTimeout = (call, time) => real(call, time === 15_000 ? 10 : time);
        const entered = new Promise((go) => follower.on("note", () => new Promise(() => go())));
        const following = mistake(follower.follow("orders"));
        await entered;
        null""")
    try:
        await asyncio.wait_for(js.run("follower.close()"), 5)
        assert await js.run("following") == "ClosedError"
    finally:
        await js.run("globalThis.setTimeout = real; null")


async def test_a_feed_that_never_gives_what_it_has_is_asked_with_pauses(bench, js):
    page = {"topic": "orders", "end": 5, "entries": None}
    bench.sio.on("feed", lambda *_: page)
    await js.run("follower.follow('orders').catch(() => {}); null")
    await js.run("while (!follower.lastError) await new Promise((go) => setTimeout(go, 5))")
    assert await js.run("follower.lastError.name") == "Retry"


async def test_what_was_there_before_and_what_comes_through_cuts(bench, js):
    async with bench.feed.transaction() as db:
        for number in range(1200):  # more than two pages
            bench.feed.append(db, "orders", "note", number)
    await js.run("follower.follow('orders')")
    await seen(js, *range(1200))
    for number in range(1200, 1240):
        await bench.append(number)
        if number % 20 == 5:
            await bench.link.cut()
        if number % 20 == 15:
            await bench.link.cut("half-open")
    await seen(js, *range(1240))
    assert await js.run("follower.lastError") is None


async def test_a_follower_goes_on_where_the_one_before_was(bench, js):
    await bench.append(0, 1)
    await js.run("await follower.follow('orders'); await follower.close()")
    assert await js.run("mistake(follower.follow('orders'))") == "ClosedError"
    await bench.append(2)
    await js.run("follower = open(); await follower.follow('orders')")
    assert await js.run("seen") == [0, 1, 2]


async def test_two_followers_with_one_store_share_the_entries(bench, js):
    await js.run("const other = open();")
    await js.run("Promise.all([follower.follow('orders'), other.follow('orders')])")
    for number in range(30):
        await bench.append(number)
    await seen(js, *range(30))
    assert await js.run("follower.lastError ?? other.lastError") is None
    await js.run("other.close()")


@pytest.mark.parametrize("bench", [{}], indirect=True)  # rare pings: no reconnect makes it ask
async def test_a_lost_page_is_asked_for_when_the_next_one_comes(bench, js):
    await js.run("await follower.close(); follower = open({ interval: 1e6 })")  # not by time
    await js.run("follower.follow('orders')")
    await bench.append(0)
    await seen(js, 0)
    await append_unpublished(bench, 1)
    bench.feed._published.clear()  # only the last entry is sent
    await bench.append(2)
    await seen(js, 0, 1, 2)
    assert await js.run("follower.lastError") is None


async def test_what_was_not_published_comes_after_the_interval(bench, js):
    await js.run("await follower.close(); follower = open({ interval: 50 })")
    await js.run("follower.follow('orders')")
    await append_unpublished(bench, 0)
    await seen(js, 0)


async def append_unpublished(bench, number):
    """Append an entry as another process does, which dies before it publishes."""
    async with bench.feed._transactions.one() as store:
        bench.feed.append(store.db, "orders", "note", number)


async def test_a_gap_that_stays_is_reported_and_passed(bench, js):
    await js.run("follower.follow('orders')")
    await bench.append(0)
    await seen(js, 0)
    async with bench.link.refuse():
        await bench.link.cut()
        await bench.append(*range(1, 10))
        await bench.feed.trim("orders", keep=3)
    await seen(js, 0, 7, 8, 9)
    assert await js.run("gaps") == [["orders", 1, 7]]
    assert await js.run("follower.lastError.name") == "GapError"


async def test_what_is_told_of_a_gap_may_fail_and_is_told_again(bench, js):
    """It ended the following, and nobody was told who was not waiting for it."""
    await bench.append(*range(5))
    await bench.feed.trim("orders", keep=2)
    await js.run("""
        const onGapOnce = (...gap) => { if (gaps.push(gap) === 1) throw new TypeError("later"); };
        await follower.close();
        follower = open({ onGap: onGapOnce });
        await follower.follow("orders");""")
    assert await js.run("[seen, gaps]") == [[3, 4], [["orders", 0, 3]] * 2]


@pytest.mark.parametrize("no", ["undefined", "NaN", "Infinity"])
async def test_an_option_that_is_there_and_no_number_is_as_if_it_were_not(bench, js, no):
    """A gap was not passed, and the feed was asked, or the clock looked at, without a pause."""
    await bench.append(1, 2, 3)
    await bench.feed.trim("orders", 1)
    questions, answering = [], bench.feed._answer

    async def count(*question):
        questions.append(question)
        return await answering(*question)

    bench.sio.on("feed", count)
    await js.run(f"""
        await follower.close();
        follower = open({{ onGap: undefined, interval: {no}, retryDelay: {no} }});""")
    assert await asyncio.wait_for(js.run("mistake(follower.follow('orders'))"), 5) is None
    assert await js.run("seen") == [3]
    looks = await js.run("""
        const now = performance.now;
        let looks = 0;
        performance.now = () => (looks++, now.call(performance));
        await new Promise((go) => setTimeout(go, 200)); // for a question too many
        performance.now = now;
        looks""")
    assert len(questions) <= 2
    assert looks < 20


@pytest.mark.parametrize("handler", ["undefined", "'note'", "{}"])
async def test_what_is_no_handler_is_refused_at_once(js, handler):
    """Each entry counted as read, with an error that nobody looked at."""
    assert (
        await js.run(f"""
        try {{ follower.on("other", {handler}); "taken" }} catch ({{ name }}) {{ name }}""")
        == "UsageError"
    )


async def test_what_is_no_store_is_refused_at_once(js):
    """It was called when the first topic was followed."""
    words = await js.run("""
        const socket = io(url, { autoConnect: false });
        let words = "taken";
        try { new Follower(socket, "news"); } catch ({ name }) { words = name; }
        [words, socket.listeners("connect").length, socket.listeners("feed").length]""")
    assert words == ["UsageError", 0, 0]


async def test_another_log_is_refused_by_name_and_restart_reads_it(bench, js):
    await bench.append(0, 1)
    await js.run("follower.follow('orders')")
    async with bench.link.refuse():
        await bench.link.cut()
        await bench.restart(MemoryInboxStore())
        await bench.append(5, 6, 7)
    await js.run("while (!follower.lastError) await new Promise((go) => setTimeout(go, 5));")
    assert await js.run("mistake(follower.follow('orders'))") == "RestoredError"
    await js.run("await follower.restart('orders', 1); await follower.follow('orders')")
    assert await js.run("seen") == [0, 1, 6, 7]


async def test_who_may_not_read_is_told_so(bench, js):
    bench.feed._may_read = lambda _, topic: topic == "orders"
    await bench.append(0)
    assert await js.run("mistake(follower.follow('secrets'))") == "ForbiddenError"
    await js.run("follower.follow('orders')")
    assert await js.run("seen") == [0]


async def test_an_entry_waits_for_its_handler_and_for_a_retry(bench, js):
    async with bench.feed.transaction() as db:
        bench.feed.append(db, "orders", "paid", 0)
    await bench.append(1)
    await js.run("const following = follower.follow('orders'); null")
    await js.run("while (!follower.lastError) await new Promise((go) => setTimeout(go, 5));")
    assert await js.run("[seen, follower.lastError.name]") == [[], "Retry"]
    await js.run("""
        let left = 2;
        follower.on("paid", (_, number) => {
          if (left--) throw Object.assign(new Error("not yet"), { name: "Retry" });
          seen.push(number);
        });
        await following""")
    assert await js.run("[seen, left]") == [[0, 1], -1]


async def test_an_entry_whose_handler_raises_counts_as_read(bench, js):
    await js.run("""follower.on("note", (_, number) => {
      if (number === 1) throw new RangeError("an odd one");
      seen.push(number);
    });""")
    await bench.append(0, 1, 2)
    await js.run("follower.follow('orders')")
    assert await js.run("[seen, follower.lastError.message]") == [[0, 2], "RangeError: an odd one"]


async def test_a_server_in_trouble_is_asked_again(bench, js):
    """The feed's answer has the name of an error that is worth a retry."""
    may_read, left = bench.feed._may_read, 2

    def fail(*_):
        nonlocal left
        left -= 1
        if left >= 0:
            raise OSError("the disk is full")
        return True

    bench.feed._may_read = fail
    await bench.append(0)
    await js.run("follower.follow('orders')")
    bench.feed._may_read = may_read
    assert await js.run("[seen, follower.lastError.name]") == [[0], "StoreError"]


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_lost_doubled_or_reordered_whatever_strikes(bench, js, seed):
    chance, last = random.Random(seed), 0
    await js.run("follower.follow('orders')")
    strikes = [
        bench.link.cut,
        partial(bench.link.cut, "half-open"),
        partial(js.run, "await follower.close(); follower = open(); follower.follow('orders');"),
        partial(silence, bench, chance.uniform(0, 0.3)),
    ]
    for _ in range(15):
        count = chance.choice((1, 3, 20))
        await asyncio.gather(bench.append(*range(last, last + count)), chance.choice(strikes)())
        last += count
    await seen(js, *range(last))


async def silence(bench, seconds):
    async with bench.link.black_hole():
        await asyncio.sleep(seconds)


async def test_a_feed_that_is_not_there_is_named(bench, js):
    del bench.sio.handlers["/"]["feed"]
    await js.run("await follower.close(); follower = open({ interval: 20 })")
    await js.run("follower.follow('orders').catch(() => 0); null")
    await js.run("while (!follower.lastError) await new Promise((go) => setTimeout(go, 5));")
    words = await js.run("follower.lastError.message")
    assert words.endswith("Is it a feed?")


@pytest.mark.parametrize("bench", [{}], indirect=True)  # rare pings: no reconnect makes it ask
async def test_an_answer_on_its_way_is_not_asked_for_again_and_again(bench, js):
    asked, go = [], asyncio.Event()

    async def may_read(_sid, _topic):
        asked.append(1)
        await go.wait()
        return True

    bench.feed._may_read = may_read
    async with bench.feed.transaction() as db:
        for number in range(1200):  # more than two pages
            bench.feed.append(db, "orders", "note", number)
    await js.run("await follower.close(); follower = open({ interval: 20 })")
    await js.run("globalThis.following = follower.follow('orders'); null")
    await js.run("while (!follower.lastError) await new Promise((go) => setTimeout(go, 5))")
    await asyncio.sleep(0.4)  # in which it would have asked 20 times
    go.set()
    await asyncio.wait_for(seen(js, *range(1200)), 5)
    await js.run("following")
    assert len(asked) < 12

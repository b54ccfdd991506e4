"""The modules of a page: their size, their types, and their hooks for React and Vue."""

import asyncio
import gzip
import re
import subprocess
from pathlib import Path

import pytest

from sio_demo.delivery import FOLLOWER_MJS, OUTBOX_MJS, Feed
from sio_demo.lab.node import NodeClient, find_node

ROOT = Path(__file__).parents[2] / "sio_demo"
JS, PACKAGES = ROOT / "delivery/js", ROOT / "lab/node/node_modules"
PUBLIC = """
export { Outbox, IndexedDBStore, MemoryStore, DeliveryError } from "./outbox.mjs";
export { Follower, IndexedDBOffsets, MemoryOffsets } from "./follower.mjs";"""


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, cwd=JS, **options)


def test_outbox_and_follower_together_take_at_most_6_kilobytes():
    esbuild = str(PACKAGES / "esbuild/bin/esbuild")
    options = "--bundle", "--minify", "--format=esm", "--target=es2022"
    bundle = run(find_node(), esbuild, *options, input=PUBLIC, check=True).stdout
    assert "Outbox" in bundle
    assert "Follower" in bundle
    assert 4000 < len(gzip.compress(bundle.encode(), mtime=0)) <= 6000


def test_typescript_finds_no_mistake():
    options = "--allowJs --checkJs --noEmit --target es2022 --module nodenext --lib es2022,dom"
    checked = run(
        find_node(),
        str(PACKAGES / "typescript/bin/tsc"),
        *options.split(),
        *("--skipLibCheck", "follower.mjs", "outbox.mjs"),
    )
    assert (checked.stdout, checked.returncode) == ("", 0)


@pytest.mark.parametrize("name", ["react", "vue"])
def test_a_hook_has_at_most_25_lines(name):
    hooks = re.findall(r"^export function.*?^}", (JS / f"{name}.mjs").read_text(), re.M | re.S)
    assert len(hooks) == 2
    assert max(len(hook.splitlines()) for hook in hooks) <= 25


COMMON = f"""
const {{ Outbox, MemoryStore }} = await load("{OUTBOX_MJS}");
const {{ Follower, MemoryOffsets }} = await load("{FOLLOWER_MJS}");
const socket = io(url, {{ transports: ["websocket"], reconnectionDelay: 10 }});
const store = new MemoryStore(), offsets = new MemoryOffsets(), seen = [];
let opened = 0, send;
const openOutbox = () => {{
  opened += 1;
  return new Outbox(socket, store, {{ retryDelay: 10 }});
}};
const openFollower = () => {{
  const follower = new Follower(socket, offsets, {{ retryDelay: 10 }});
  follower.on("note", (_, number) => {{ seen.push(number); }});
  return follower;
}};
const shows = async (text) => {{
  while ((await rendered()) !== text) await new Promise((go) => setTimeout(go, 5));
}};
const listeners = () => ["connect", "feed", "disconnect"].map((e) => socket.listeners(e).length);
"""

REACT = """
const { rendered } = require("./page.cjs");
const refresh = require("react-refresh/runtime");
refresh.injectIntoGlobalHook(globalThis);
const { StrictMode, createElement } = require("react");
const root = require("react-dom/client").createRoot(document.getElementById("app"));
const { useOutbox, useFollower } = await load(hooks);
function edited(word) {
  function App() {
    const outbox = useOutbox(openOutbox);
    const { caughtUp } = useFollower(openFollower, "orders");
    send = outbox.send;
    return `${word}: ${outbox.pending} pending, ${caughtUp ? "read" : "reading"}`;
  }
  refresh.register(App, "App");
  refresh.setSignature(App, "the same hooks", true); // as after an edit of a hook's code
  return App;
}
const show = (word) => root.render(createElement(StrictMode, null, createElement(edited(word))));
const reload = (word) => { edited(word); refresh.performReactRefresh(); };
const leave = () => root.render(null);
"""

VUE = """
const { rendered } = require("./page.cjs");
const { createApp, h } = require("vue");
const { useOutbox, useFollower } = await load(hooks);
const edited = (word) => ({
  __hmrId: "App",
  setup() {
    const { send: current, pending } = useOutbox(openOutbox);
    const state = useFollower(openFollower, "orders");
    send = current;
    return () => h("p",
      `${word}: ${pending.value} pending, ${state.caughtUp ? "read" : "reading"}`);
  },
});
const App = edited("first");
__VUE_HMR_RUNTIME__.createRecord("App", App);
const app = createApp({ render: () => h(App) });
const show = () => app.mount("#app");
const reload = (word) => __VUE_HMR_RUNTIME__.reload("App", edited(word));
const leave = () => app.unmount();
"""


@pytest.mark.parametrize(("name", "setup"), [("react", REACT), ("vue", VUE)])
async def test_a_component_shows_how_much_an_earlier_page_has_left(bench, tmp_path, name, setup):
    """It showed 0 until something was sent."""
    (tmp_path / "hooks.mjs").write_text((JS / f"{name}.mjs").read_text())
    (tmp_path / "node_modules").symlink_to(PACKAGES)
    js = await NodeClient.start(bench.link.url)
    await js.run(f"const hooks = '{(tmp_path / 'hooks.mjs').as_uri()}'; {setup} {COMMON}")
    # What is cut between the handshakes of WebSocket and Engine.IO is opening for 20 s.
    await js.run("if (!socket.connected) await new Promise((go) => socket.on('connect', go))")
    async with bench.link.refuse():
        await bench.link.cut()
        await js.run("const early = new Outbox(socket, store)")
        await js.run("for (const n of [1, 2]) await early.send('note', n).accepted")
        await js.run("await early.close(); show('first')")
        await asyncio.wait_for(js.run("shows('first: 2 pending, reading')"), 5)
    await asyncio.wait_for(js.run("shows('first: 0 pending, reading')"), 5)
    assert bench.applied == [1, 2]
    await js.run("await leave(); await rendered(); socket.disconnect(); null")
    await js.close()


@pytest.mark.parametrize(("name", "setup"), [("react", REACT), ("vue", VUE)])
async def test_hooks_survive_strict_mode_and_a_hot_reload(bench, tmp_path, name, setup):
    (tmp_path / "hooks.mjs").write_text((JS / f"{name}.mjs").read_text())
    (tmp_path / "node_modules").symlink_to(PACKAGES)
    feed = Feed(bench.sio)
    js = await NodeClient.start(bench.link.url)
    await js.run(f"const hooks = '{(tmp_path / 'hooks.mjs').as_uri()}'; {setup} {COMMON}")
    await js.run("show('first'); await shows('first: 0 pending, read')")
    assert await js.run("send('note', 1)") == 1
    async with bench.link.refuse():
        await bench.link.cut()
        await js.run("receipt = send('note', 2); await receipt.accepted")
        await js.run("await shows('first: 1 pending, read'); await reload('second')")
    assert await js.run("send('note', 3)") == 3
    await js.run("shows('second: 0 pending, read')")
    for number in range(3):
        async with feed.transaction() as db:
            feed.append(db, "orders", "note", number)
    await js.run("while (seen.length < 3) await new Promise((go) => setTimeout(go, 5))")
    assert await js.run("seen") == [0, 1, 2]
    assert bench.applied == [1, 2, 3]
    assert await js.run("listeners()") == [2, 1, 1]  # of one outbox and one follower
    assert await js.run("opened") >= 2
    await js.run("await leave(); await rendered(); socket.disconnect(); null")
    assert await js.run("listeners()") == [0, 0, 0]
    await js.close()
    await feed.close()

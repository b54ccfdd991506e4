"""What one file registers because another runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sio_demo.check import check_paths

BUS = "import { bus } from './bus';\n"
TELL = "bus.on('news', (text) => socket.emit('news', text));"
LISTEN = (
    "import { socket } from '../socket';\nexport function listen() { socket.on('news', show); }\n"
)


def found(folder: Path, **sources: str) -> list[tuple[str, int, str]]:
    for name, text in sources.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    findings = check_paths([folder]).findings
    return [(Path(f.path).relative_to(folder).as_posix(), f.line, f.rule) for f in findings]


@pytest.mark.parametrize(
    ("server", "handler"),
    [
        ("import talk from './talk';\nio.on('connection', talk);", "export default (socket) => {"),
        (
            "import { talk } from './talk';\nio.on('connection', talk);",
            "export const talk = (socket) => {",
        ),
        (
            "import { talk } from './talk';\nio.on('connection', (socket) => talk(io, socket));",
            "export const talk = (io, socket) => {",
        ),
        (
            "const talk = require('./talk');\nio.on('connection', (client) => talk(client));",
            "module.exports = function (socket) {",
        ),
        (
            "import * as all from './talk.js';\nio.on('connection', all.talk);",
            "export function talk(socket) {",
        ),
        (
            "const all = require('./talk');\nio.on('connection', (s) => { all.talk(io, s); });",
            "exports.talk = (server, socket) => {",
        ),
        (
            "io.on('connection', (client) => { require('./talk')(client); });",
            "module.exports = (socket) => {",
        ),
        (
            "const start = (client) => require('./talk').talk(client);\n"
            "io.on('connection', (client) => { start(client); });",
            "exports.talk = (socket) => {",
        ),
    ],
)
def test_handler_of_connections_in_another_file(tmp_path: Path, server: str, handler: str):
    talk = f"{BUS}{handler} {TELL} }};\n"
    expected = [("talk.js", 2, "shared-emitter-in-connection")]
    assert found(tmp_path, app_js=f"{server}\n", talk_js=talk) == expected


def test_handlers_that_a_file_in_between_hands_on(tmp_path: Path):
    server = "import register from './handlers';\nio.on('connection', (s) => register(io, s));\n"
    between = "import talk from './talk';\nexport default (io, socket) => { talk(socket); };\n"
    talk = f"{BUS}export default (socket) => {{ {TELL} }};\n".replace("./bus", "../bus")
    expected = [("handlers/talk.ts", 2, "shared-emitter-in-connection")]
    sources = {"app_js": server, "handlers__index_js": between, "handlers__talk_ts": talk}
    assert found(tmp_path, **sources) == expected


def test_function_that_no_connection_runs_may_listen(tmp_path: Path):
    talk = f"{BUS}export default (socket) => {{ {TELL} }};\n"
    server = "import talk from './talk';\nio.on('connection', (socket) => talk(bus));\n"
    assert found(tmp_path, app_js=server, talk_js=talk) == []


@pytest.mark.parametrize("module", ["../chat", "@/chat", "~/chat"])
def test_listeners_that_a_component_adds_through_another_file(tmp_path: Path, module: str):
    page = (
        f"<script setup>import {{ listen }} from '{module}';\nconst socket = useSocket();\n"
        "onMounted(() => { listen(); });</script>\n"
    )
    chat = LISTEN.replace("../socket", "./socket")
    expected = [("src/chat.ts", 2, "listener-without-cleanup")]
    assert found(tmp_path, src__pages__Chat_vue=page, src__chat_ts=chat) == expected


def test_composable_that_returns_what_registers(tmp_path: Path):
    page = (
        "<script setup>import { useNews } from './news';\nconst { listen } = useNews(socket);\n"
        "onMounted(() => { listen(); });</script>\n"
    )
    news = (
        "import { socket } from './socket';\nexport function useNews() {\n"
        "  function listen() {\n    socket.on('news', show);\n  }\n  return { listen };\n}\n"
    )
    expected = [("news.ts", 4, "listener-without-cleanup")]
    assert found(tmp_path, Chat_vue=page, news_ts=news) == expected


@pytest.mark.parametrize(
    "effect",
    [
        "useEffect(() => { listen(); return () => stop(); }, []);",
        "useEffect(() => listen(), []);",
        "useEffect(() => { const stop = listen(); return stop; }, []);",
        "useEffect(() => { if (ready) return; ready = true; listen(); }, []);",
        "useEffect(() => { const own = io(); listen(own); return () => own.close(); }, []);",
    ],
)
def test_listeners_that_the_component_takes_back(tmp_path: Path, effect: str):
    page = (
        "import { useEffect } from 'react';\nimport { io } from 'socket.io-client';\n"
        f"import {{ listen, stop }} from './lib/chat';\nexport function Chat() {{ {effect} }}\n"
    )
    assert found(tmp_path, Chat_jsx=page, lib__chat_js=LISTEN) == []


def test_files_that_import_each_other(tmp_path: Path):
    one = "import two from './two';\nexport default (s) => two(s);\nio.on('connection', two);\n"
    two = "import one from './one';\nexport default (s) => one(s);\nio.on('connection', one);\n"
    assert found(tmp_path, one_js=one, two_js=two) == []


FEED = (
    "import { listen } from '%s'; // uses the socket\nimport { useEffect } from 'react';\n"
    "export function Feed() { useEffect(() => { listen(); }, []); }\n"
)
TSCONFIG = """{ // of the editor
  "compilerOptions": { "baseUrl": ".", "paths": { "@live/*": ["%s/*"], } }
}"""
VITE = "export default { resolve: { alias: { '@live': path.resolve(__dirname, './%s') } } };\n"
JSCONFIG = '{"compilerOptions": {"baseUrl": "./%s"}}'


@pytest.mark.parametrize(
    ("config", "text", "module"),
    [
        ("tsconfig.json", TSCONFIG, "@live/chat"),
        ("tsconfig.base.json", TSCONFIG, "@live/chat"),
        ("vite.config.ts", VITE, "@live/chat"),
        ("vite.config.js", VITE.replace("@", ""), "live/chat"),
        ("jsconfig.json", JSCONFIG, "chat"),
        ("package.json", '{"imports": {"#live/*": "./%s/*.js"}}', "#live/chat"),
        (
            "package.json",
            '{"imports": {"#live/*": {"node": "./n/*.js", "default": "./%s/*.js"}}}',
            "#live/chat",
        ),
        ("nuxt.config.ts", VITE, "@live/chat"),
        ("svelte.config.js", VITE.replace("'@live'", "$live"), "$live/chat"),
    ],
)
def test_aliases_of_a_configuration(tmp_path: Path, config: str, text: str, module: str):
    (tmp_path / config).write_text(text % "shared/realtime")
    expected = [("shared/realtime/chat.js", 2, "listener-without-cleanup")]
    sources = {"shared__realtime__chat_js": LISTEN, "app__Feed_jsx": FEED % module}
    assert found(tmp_path, **sources) == expected


SHOWS = (
    "import { live } from '%s';\nimport { useEffect } from 'react';\n"
    "export function Feed() { useEffect(() => {\n  live.on('post', show);\n}, []); }\n"
)
LIVE = "import { io } from 'socket.io-client';\nexport const live = io();\n"


@pytest.mark.parametrize(
    "handed",
    [
        LIVE,
        "export { live } from './wires';\n",
        "export * from './wires';\n",
        "export { main as live } from './wires';\n",
        "import { main } from './wires';\nexport { main as live };\n",
        LIVE.replace("const live", "const main") + "export { main as live };\n",
    ],
)
def test_alias_of_one_file_that_has_or_hands_on_a_client(tmp_path: Path, handed: str):
    (tmp_path / "tsconfig.json").write_text('{"compilerOptions": {"paths": {"@rt": ["./a/b.ts"]}}}')
    wires = LIVE + "export const main = io('/main');\n"
    sources = {"a__b_ts": handed, "a__wires_ts": wires, "Feed_tsx": SHOWS % "@rt"}
    assert ("Feed.tsx", 4, "listener-without-cleanup") in found(tmp_path, **sources)


def test_configuration_that_extends_another(tmp_path: Path):
    (tmp_path / "tsconfig.json").write_text('{"extends": ["strict", "./parts/base"]}')
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/base.json").write_text(
        '{"extends": "./base.json", "compilerOptions": {"paths": {"@rt": ["../wires.ts"]}}}'
    )
    expected = [("Feed.tsx", 4, "listener-without-cleanup")]
    assert found(tmp_path, wires_ts=LIVE, Feed_tsx=SHOWS % "@rt") == expected


def test_function_that_returns_the_one_client_of_its_file(tmp_path: Path):
    feed = (SHOWS % "./wires").replace("live }", "getWire }").replace("  live", "  getWire()")
    wires = LIVE + "export const getWire = () => live;\n"
    expected = [("Feed.tsx", 4, "listener-without-cleanup")]
    assert found(tmp_path, wires_ts=wires, Feed_tsx=feed) == expected
    fresh = wires.replace("=> live", "=> io()")
    again = [("wires.ts", 3, "client-in-handler")]  # with each mount, and nothing closes it
    assert found(tmp_path, wires_ts=fresh, Feed_tsx=feed) == again


def test_broken_configuration_has_no_aliases(tmp_path: Path):
    (tmp_path / "tsconfig.json").write_text('{"compilerOptions": [')
    assert found(tmp_path, lib__chat_js=LISTEN, Feed_jsx=FEED % "@live/chat") == []


OWN = (
    "import { io } from 'socket.io-client';\nexport const useNews = () => {\n"
    "  const socket = ref(null);\n  onMounted(() => { socket.value = io('/news'); });\n"
    "  onUnmounted(() => socket.value.disconnect());\n  return { socket };\n};\n"
)
SHARED = (
    "import { io } from 'socket.io-client';\nlet socket;\nexport const useNews = () => {\n"
    "  if (!socket) socket = io('/news');\n  return { socket };\n};\n"
)


NEWS_PAGE = (
    "<script setup>const { socket } = useNews();\nsocket.value.on('news', show);</script>\n"
    "<template><ul /></template>\n"
)


@pytest.mark.parametrize("name", ["composables__news_ts", "app__composables__useNews_ts"])
def test_composable_that_nuxt_imports_by_itself(tmp_path: Path, name: str):
    makes = "import { io } from 'socket.io-client';\nexport function useNews() {\n  %s\n}\n"
    page = name.partition("composables")[0] + "pages__news_vue"
    file = name.replace("__", "/").replace("_ts", ".ts")
    never_closed = makes % "return { socket: io('/news') };"
    expected = [(file, 3, "client-in-handler")]
    assert found(tmp_path, **{page: NEWS_PAGE, name: never_closed}) == expected
    closed = (
        makes % "const socket = io('/news'); onUnmounted(() => socket.close()); return { socket };"
    )
    assert found(tmp_path, **{page: NEWS_PAGE, name: closed}) == []


def test_nuxt_imports_the_composable_of_the_same_project(tmp_path: Path):
    pages = {"a__composables__all_ts": SHARED, "b__composables__all_ts": OWN}
    pages |= {"a__pages__news_vue": NEWS_PAGE, "b__pages__news_vue": NEWS_PAGE}
    expected = [("a/pages/news.vue", 2, "listener-without-cleanup")]
    assert found(tmp_path, **pages) == expected


@pytest.mark.parametrize(("composable", "lines"), [(OWN, []), (SHARED, [3])])
def test_composable_that_owns_its_client(tmp_path: Path, composable: str, lines: list[int]):
    page = (
        "<script setup>import { useNews } from './useNews';\nconst { socket } = useNews();\n"
        "onMounted(() => socket.value.on('news', show));</script>\n"
    )
    results = found(tmp_path, News_vue=page, useNews_js=composable)
    assert [line for name, line, _ in results if name == "News.vue"] == lines


@pytest.mark.parametrize(
    ("end", "lines"),
    [
        ("onUnmounted(() => { socket.disconnect(); socket = null; });", []),
        ("const stop = () => { socket.close(); socket = undefined; }; onUnmounted(stop);", []),
        ("useEffect(() => () => { socket.disconnect(); socket = null; }, []);", []),
        ("onUnmounted(() => socket.disconnect());", [4]),  # the same client is opened again
        ("const stop = () => { socket.close(); socket = null; };", [4]),
        ("onUnmounted(() => { socket.emit('bye'); last = null; });", [4]),
    ],
)
def test_hook_that_gives_up_the_client_of_all(tmp_path: Path, end: str, lines: list[int]):
    hook = SHARED.replace("  return { socket };", f"  {end}\n  return {{ get: () => socket }};")
    page = (
        "<script setup>import { useNews } from './useNews';\nconst { get } = useNews();\n"
        "onMounted(() => { const socket = get();\nsocket.on('news', show); });</script>\n"
    )
    results = found(tmp_path, News_vue=page, useNews_js=hook)
    assert [line for name, line, _ in results if name == "News.vue"] == lines


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("listen(show) { this.socket.on('news', show); }", [5]),
        ("listen() { return new Observable((o) => { this.socket.on('news', o.next); }); }", [5]),
        (
            "listen() { return Observable.create((o) => { this.socket.on('news', o.next); }); }",
            [5],
        ),
        (
            "listen() { return new Observable((o) => { this.socket.on('news', o.next);"
            " return () => this.socket.off('news', o.next); }); }",
            [],
        ),
    ],
)
def test_service_that_a_component_of_angular_listens_through(
    tmp_path: Path, body: str, lines: list[int]
):
    service = (
        "import { Injectable } from '@angular/core';\nimport { io } from 'socket.io-client';\n"
        f"@Injectable() export class LiveSocket {{\n  socket = io();\n  {body}\n}}\n"
    )
    component = (
        "import { Component } from '@angular/core';\nimport { LiveSocket } from './live';\n"
        "@Component({}) export class Feed { constructor(private live: LiveSocket) {}\n"
        "  ngOnInit() { this.live.listen(); } }\n"
    )
    results = found(tmp_path, live_ts=service, feed_ts=component)
    assert [line for _, line, _ in results] == lines


@pytest.mark.parametrize(("pipe", "lines"), [("", [5]), (".pipe(takeUntil(this.end))", [])])
def test_stream_of_a_service_that_a_component_leaves_open(
    tmp_path: Path, pipe: str, lines: list[int]
):
    sockets = (
        "import { Socket } from 'ngx-socket-io';\n@Injectable() export class LiveSocket {\n"
        "  constructor(private socket: Socket) {}\n"
        "  listen(name) { return this.socket.fromEvent(name).pipe(map((n) => n)); } }\n"
    )
    service = (
        "import { LiveSocket } from './live';\n@Injectable() export class News {\n"
        "  constructor(private live: LiveSocket) {}\n"
        "  all() { return this.live.listen('news'); } }\n"
    )
    component = (
        "import { Component } from '@angular/core';\nimport { News } from './news';\n"
        "@Component({}) export class Feed { socket = 0;\n"
        "  constructor(private news: News) {}\n"
        f"  ngOnInit() {{ this.news.all(){pipe}.subscribe((n) => this.show(n)); }} }}\n"
    )
    results = found(tmp_path, live_ts=sockets, news_ts=service, feed_ts=component)
    assert [(name, line) for name, line, _ in results] == [("feed.ts", line) for line in lines]


OBSERVABLE = "{}new Observable((o) => {{ {}; return () => {}; }}){}"
ADDED = ("this.socket.on('news', (n) => o.next(n))", "this.socket.off('news')")
OPENED = (
    "this.socket = io(); this.socket.on('news', (n) => o.next(n))",
    "this.socket.disconnect()",
)


@pytest.mark.parametrize(
    ("keep", "lines"), [("", [4]), ("ngOnDestroy() { this.s.unsubscribe(); }", [])]
)
@pytest.mark.parametrize(
    "body",
    [
        OBSERVABLE.format("return ", *ADDED, ""),
        OBSERVABLE.format("const all = ", *ADDED, "; return all"),
        OBSERVABLE.format("return ", *OPENED, ""),
    ],
)
def test_observable_with_an_end_that_a_component_does_not_use(
    tmp_path: Path, body: str, keep: str, lines: list[int]
):
    service = (
        "import { io } from 'socket.io-client';\n"
        f"@Injectable() export class News {{\n  socket = io();\n  all() {{ {body}; }} }}\n"
    )
    component = (
        "import { Component } from '@angular/core';\nimport { News } from './news';\n"
        "@Component({}) export class Feed { constructor(private news: News) {}\n"
        f"  ngOnInit() {{ this.s = this.news.all().subscribe((n) => this.show(n)); }} {keep} }}\n"
    )
    results = found(tmp_path, news_ts=service, feed_ts=component)
    assert [(name, line) for name, line, _ in results] == [("feed.ts", line) for line in lines]


def test_listener_that_a_service_only_hands_on_is_found_once(tmp_path: Path):
    service = "import { io } from 'socket.io-client';\nexport class SocketService {\n"
    service += "  socket = io();\n  on(event, run) { this.socket.on(event, run); }\n}\n"
    page = "import { SocketService } from './socket.service';\n"
    page += "@Component({})\nexport class Page {\n"
    page += "  constructor(private socketService: SocketService) {}\n"
    page += "  ngOnInit() { this.socketService.on('news', () => this.show()); }\n}\n"
    (tmp_path / "socket.service.ts").write_text(service)
    expected = [("page.component.ts", 5, "listener-without-cleanup")]
    assert found(tmp_path, **{"page_component_ts": page}) == expected


@pytest.mark.parametrize(
    ("end", "lines"),
    [
        ("this.clock.unsubscribe();", [4]),
        ("this.live.stop();", []),
        ("this.clock.unsubscribe(); this.live.stop();", []),
    ],
)
def test_cleanup_of_something_else_than_the_service(tmp_path: Path, end: str, lines: list[int]):
    live = "import { io } from 'socket.io-client';\n@Injectable() export class LiveService {\n"
    live += "  feed = io();\n  listen(run) { this.feed.on('news', run); }\n"
    live += "  stop() { this.feed.off('news'); } }\n"
    page = "import { LiveService } from './live';\n@Component({}) export class News {\n"
    page += "  constructor(private live: LiveService) {}\n"
    page += "  ngOnInit() { this.live.listen((text) => this.show(text)); }\n"
    page += f"  ngOnDestroy() {{ {end} }} }}\n"
    results = found(tmp_path, live_ts=live, news_ts=page)
    assert [(name, line) for name, line, _ in results] == [("news.ts", line) for line in lines]


def test_result_that_a_component_keeps_is_its_own_to_end(tmp_path: Path):
    live = "import { io } from 'socket.io-client';\n@Injectable() export class LiveService {\n"
    live += "  feed = io();\n  listen(run) { this.feed.on('news', run); return () => 0; } }\n"
    page = "import { LiveService } from './live';\n@Component({}) export class News {\n"
    page += "  constructor(private live: LiveService) {}\n"
    page += "  ngOnInit() { this.end = this.live.listen((text) => this.show(text)); }\n"
    page += "  ngOnDestroy() { this.end(); } }\n"
    assert found(tmp_path, live_ts=live, news_ts=page) == []


def test_service_that_a_folder_exports_again(tmp_path: Path):
    news = "import { Socket } from 'ngx-socket-io';\n@Injectable() export class NewsService {\n"
    news += "  constructor(private socket: Socket) {}\n"
    news += "  listen(run) { this.socket.on('news', run); } }\n"
    page = "import { NewsService } from './services';\n@Component({}) export class Page {\n"
    page += "  constructor(private news: NewsService) {}\n"
    page += "  ngOnInit() { this.news.listen((text) => this.show(text)); } }\n"
    index = "export { User } from './user';\nexport * from './news';\n"
    results = found(
        tmp_path,
        services__index_ts=index,
        services__user_ts="export class User {}\n",
        services__news_ts=news,
        page_ts=page,
    )
    assert results == [("page.ts", 4, "listener-without-cleanup")]


def test_class_whose_hook_only_calls_another_file(tmp_path: Path):
    page = "import { listen } from './lib/socket';\nexport class Page extends Component {\n"
    page += "  componentDidMount = () => { listen(); };\n}\n"
    lines = "import { io } from 'socket.io-client';\nconst socket = io();\n"
    lines += "export const listen = () => socket.on('news', show);\n"
    expected = [("lib/socket.ts", 3, "listener-without-cleanup")]
    assert found(tmp_path, lib__socket_ts=lines, page_jsx=page) == expected


WRAPPER = (
    "import { io } from 'socket.io-client';\nclass Chat {\n  socket = io();\n"
    "  onMessage(run) {\n    %s\n  }\n}\nexport const chat = new Chat();\nexport default chat;\n"
    "export const onMessage = (run) => chat.onMessage(run);\n"
)
KEEPS = "this.socket.on('message', run);"
RETURNS = "this.socket.on('message', run); return () => this.socket.off('message', run);"
FIRST_OFF = "this.socket.off('message'); this.socket.on('message', run);"
WRAPPED = "this.socket.on('message', (text) => run(JSON.parse(text)));"
IN_A_SET = "if (this.known.has(run)) return; this.known.add(run); this.socket.on('message', run);"
IN_A_MAP = "this.runs.set(run, 1); this.socket.on('message', (text) => this.tell(text));"
EFFECT = "export function Room() { useEffect(() => { %s }, []); return <p />; }"
ONLY_DEFAULT = "import chat from './live';\n"
ANY_NAME = "import { chat, onMessage } from './live';\n"
CLASS = "export class Room extends React.Component { %s() { chat.onMessage((m) => this.add(m)); } }"


@pytest.mark.parametrize(
    ("body", "page", "lines"),
    [
        (KEEPS, ONLY_DEFAULT + EFFECT % "chat.onMessage(add);", [2]),
        (KEEPS, ANY_NAME + EFFECT % "chat.onMessage((m) => add(m));", [2]),
        (KEEPS, ANY_NAME + EFFECT % "onMessage(add);", [2]),
        (KEEPS, ANY_NAME + CLASS % "componentDidMount", [2]),
        (KEEPS, ANY_NAME + CLASS % "constructor", [2]),
        (WRAPPED, ANY_NAME + EFFECT % "chat.onMessage(add);", [2]),
        (RETURNS, ANY_NAME + EFFECT % "chat.onMessage(add);", [2]),
        (RETURNS, ANY_NAME + EFFECT % "return chat.onMessage(add);", []),
        (RETURNS, ANY_NAME + EFFECT % "const end = chat.onMessage(add); return () => end();", []),
        (RETURNS, ANY_NAME + EFFECT % "chat.onMessage(add); return () => chat.leave();", []),
        (KEEPS, ANY_NAME + EFFECT % "chat.onMessage(add); return () => clearTimeout(t);", [2]),
        (FIRST_OFF, ANY_NAME + EFFECT % "chat.onMessage(add);", []),
        (IN_A_SET, ANY_NAME + EFFECT % "chat.onMessage(add);", []),
        (IN_A_MAP, ANY_NAME + EFFECT % "chat.send(add);", []),
        (KEEPS, ANY_NAME + "chat.onMessage((m) => add(m));", []),
    ],
)
def test_wrapper_that_hands_on_what_a_component_gives_it(
    tmp_path: Path, body: str, page: str, lines: list[int]
):
    results = found(tmp_path, live_js=WRAPPER % body, Room_jsx=f"{page}\n")
    expected = [("Room.jsx", line, "listener-without-cleanup") for line in lines]
    assert results == expected


def test_wrapper_around_a_wrapper_in_which_no_word_tells_that_it_registers(tmp_path: Path):
    results = found(
        tmp_path,
        socket_js="const socket = require('socket.io-client')();\n"
        "export const listen = (event, f) => socket.on(event, f);\n",
        helper_js="import { listen } from './socket';\n"
        "export const joined = (f) => listen('in', f);",
        Room_jsx="import { joined } from './helper';\n" + EFFECT % "joined((m) => add(m));",
    )
    assert results == [("Room.jsx", 2, "listener-without-cleanup")]


def test_wrapper_around_a_wrapper_in_a_composable(tmp_path: Path):
    hook = "import chat from './live';\nexport function useSocket() {\n"
    hook += "  const listen = (run) => chat.onMessage(run);\n  return { listen };\n}\n"
    page = (
        "<script setup>\nimport { useSocket } from './useSocket';\nconst { listen } = useSocket();"
    )
    page += "\nonMounted(() => { listen((m) => add(m)); });\n</script>\n"
    sources = {"live_js": WRAPPER % KEEPS, "useSocket_js": hook, "Room_vue": page}
    assert found(tmp_path, **sources) == [("Room.vue", 4, "listener-without-cleanup")]


def test_wrapper_that_a_handler_of_connect_calls(tmp_path: Path):
    page = "import chat from './live';\nchat.socket.on('connect', () => {\n"
    page += "  chat.onMessage((m) => add(m));\n});\n"
    results = found(tmp_path, live_js=WRAPPER % KEEPS, main_js=page)
    assert results == [("main.js", 3, "listener-in-connect")]


def test_wrapper_whose_hook_makes_a_client_for_each_caller(tmp_path: Path):
    hook = "import { io } from 'socket.io-client';\nexport function useChat() {\n"
    hook += "  const socket = useRef(null);\n  useEffect(() => { socket.current = io();\n"
    hook += "    return () => socket.current.disconnect(); }, []);\n"
    hook += (
        "  const listen = (run) => socket.current.on('message', run);\n  return { listen };\n}\n"
    )
    page = "import { useChat } from './useChat';\nexport function Room() {\n"
    page += "  const { listen } = useChat();\n  useEffect(() => { listen(add); }, []);\n}\n"
    assert found(tmp_path, useChat_js=hook, Room_jsx=page) == []


def test_client_that_a_service_makes_for_each_mount(tmp_path: Path):
    live = "import { io } from 'socket.io-client';\nclass Live {\n  connect() { this.io = io(); }\n"
    live += "  close() { this.io.close(); }\n}\nexport default new Live();\n"
    page = "import live from './live';\n" + EFFECT % "live.connect();"
    assert found(tmp_path, live_js=live, Room_jsx=page) == [("live.js", 3, "client-in-handler")]
    page = "import live from './live';\n" + EFFECT % "live.connect(); return () => live.close();"
    assert found(tmp_path, live_js=live, Room_jsx=page) == []


def test_listener_in_a_promise_that_a_service_returns(tmp_path: Path):
    live = "import { io } from 'socket.io-client';\nconst socket = io();\nexport default {\n"
    live += (
        "  news() {\n    return new Promise((done) => {\n      socket.on('news', done);\n    });\n"
    )
    live += "  },\n};\n"
    page = "import live from './live';\n" + EFFECT % "live.news().then(show);"
    results = found(tmp_path, live_js=live, Room_jsx=page)
    assert results == [("live.js", 6, "listener-without-cleanup")]


def test_object_that_a_component_makes_of_a_class_that_listens(tmp_path: Path):
    game = "import chat from './live'; // with its socket\nexport class Game {\n"
    game += "  start() {\n    chat.onMessage((m) => this.add(m));\n  }\n}\n"
    page = "import { Game } from './game';\nexport function Board() {\n"
    page += "  const game = useMemo(() => new Game(), []);\n"
    page += "  useEffect(() => { game.start(); }, [game]);\n}\n"
    results = found(tmp_path, live_js=WRAPPER % KEEPS, game_js=game, Board_jsx=page)
    assert results == [("game.js", 4, "listener-without-cleanup")]


def test_client_that_another_file_exports_under_a_name_of_its_own(tmp_path: Path):
    line = "import { io } from 'socket.io-client';\nconst wire = io();\nexport default wire;\n"
    page = "import wire from './socket';\n" + EFFECT % "wire.on('news', show);"
    results = found(tmp_path, socket_js=line, Room_jsx=page)
    assert results == [("Room.jsx", 2, "listener-without-cleanup")]
    results = found(tmp_path, socket_js=line.replace("io();", "new EventSource();"))
    assert results == []


def test_client_of_an_object_that_a_component_makes(tmp_path: Path):
    live = "import { io } from 'socket.io-client';\nexport class Live {\n"
    live += "  constructor() { this.open(); }\n  open() { this.socket = io(); }\n}\n"
    page = "import { Live } from './live';\n@Component({}) export class Page {\n"
    page += "  constructor() { this.live = new Live(); }\n}\n"
    assert found(tmp_path, live_ts=live, page_ts=page) == [("live.ts", 4, "client-in-handler")]


@pytest.mark.parametrize(
    ("listen", "page"),
    [
        ("listen = (event) => this.all(event);", "this.live.listen('news').subscribe(show);"),
        (
            "listen(event) { return this.all(event); }",
            "this.live.listen('news').subscribe(show); } ngOnDestroy() {",
        ),
    ],
)
def test_observable_that_a_service_makes_in_another_method(tmp_path: Path, listen: str, page: str):
    live = "import { io } from 'socket.io-client';\n@Injectable() export class Live {\n"
    live += "  socket = io();\n  all = (event) => new Observable((observer) => {\n"
    live += "    this.socket.on(event, (text) => observer.next(text));\n  });\n"
    live += f"  {listen}\n}}\n"
    text = "import { Live } from './live';\n@Component({}) export class Page {\n"
    text += f"  constructor(private live: Live) {{}}\n  ngOnInit() {{ {page} }}\n}}\n"
    expected = [("live.ts", 5, "listener-without-cleanup")]
    assert found(tmp_path, live_ts=live, page_ts=text) == expected


def test_cleanup_that_does_nothing(tmp_path: Path):
    page = ONLY_DEFAULT + EFFECT % "chat.onMessage(add); return () => { /* off, later */ };"
    results = found(tmp_path, live_js=WRAPPER % KEEPS, Room_jsx=page)
    assert results == [("Room.jsx", 2, "listener-without-cleanup")]


def test_method_of_an_object_whose_class_is_in_a_third_file(tmp_path: Path):
    line = "import { io } from 'socket.io-client';\nimport { Game } from './game';\n"
    line += "export const socket = io();\nlet game = null;\n"
    line += "export function theGame() { game = game || new Game(); return game; }\n"
    game = "import { socket } from './line';\nexport class Game {\n"
    game += "  constructor() { this.socket = socket; }\n"
    game += "  onTurn(told) { this.socket.on('turn', told); }\n}\n"
    page = "<script>\nimport { theGame } from './line';\nlet game;\nonMount(async () => {\n"
    page += "  game = theGame();\n  game.onTurn((turn) => show(turn));\n});\n"
    page += "function stopClock() { clearInterval(clock); }\n"
    page += "onDestroy(() => stopClock());\n</script>\n"
    results = found(tmp_path, line_js=line, game_js=game, Board_svelte=page)
    assert results == [("Board.svelte", 6, "listener-without-cleanup")]


def test_component_in_which_no_word_tells_of_sockets(tmp_path: Path):
    news = "import { io } from 'socket.io-client';\nconst socket = io();\n"
    news += "export function news() {\n"
    news += "  return { onPost: (told) => { socket.on('post', told); } };\n}\n"
    page = "<script setup>\nimport { news } from './news';\nconst { onPost } = news();\n"
    page += "onPost((post) => show(post));\n</script>\n"
    results = found(tmp_path, news_js=news, Page_vue=page)
    assert results == [("Page.vue", 4, "listener-without-cleanup")]


@pytest.mark.parametrize("taken", ["{ listen } = useTalk()", "listen = useTalk((s) => s.listen)"])
def test_action_of_a_store_that_an_effect_runs(tmp_path: Path, taken: str):
    store = "import { socket } from './socket';\nexport const useTalk = create((set, get) => ({\n"
    store += "  open: false,\n  listen: () => { %s socket.on('talk', show); },\n}));\n"
    page = f"import {{ useTalk }} from './talk';\nexport function Room() {{\n  const {taken};\n"
    page += "  useEffect(() => { listen(); }, [listen]);\n}\n"
    expected = [("talk.js", 4, "listener-without-cleanup")]
    assert found(tmp_path, talk_js=store % "", Room_jsx=page) == expected
    once = "if (get().open) return; set({ open: true });"
    assert found(tmp_path, talk_js=store % once, Room_jsx=page) == []


def test_store_whose_action_hands_its_listener_to_a_class(tmp_path: Path):
    live = "import { io } from 'socket.io-client';\nclass Live {\n"
    live += "  open() { this.io = io(); }\n  subscribe(told) {\n"
    live += "    return new Promise((done) => { this.io.on('post', told); done(); });\n  }\n}\n"
    live += "export const liveSocket = new Live();\n"
    store = "import { liveSocket } from '../live';\nexport const useApp = defineStore({\n"
    store += "  actions: {\n    async subscribe() {\n"
    store += "      await liveSocket.subscribe(this.add);\n    },\n  },\n});\n"
    page = "<script setup>\nimport { useApp } from './stores';\nconst app = useApp();\n"
    page += "watch(room, (now) => {\n  if (now) app.subscribe();\n});\n</script>\n"
    results = found(
        tmp_path,
        live_ts=live,
        stores__app_ts=store,
        stores__index_ts="export * from './app';\n",
        Page_vue=page,
    )
    assert results == [("stores/app.ts", 5, "listener-without-cleanup")]


def test_object_that_a_component_makes_around_a_client_of_its_own(tmp_path: Path):
    link = (
        "import { io } from 'socket.io-client';\nexport class Link {\n  constructor(url) {\n"
        "    this.socket = io(url);\n  }\n  on(event, run) { this.socket.on(event, run); }\n}\n"
    )
    game = (
        "import { Link } from './link.ts';\nexport class Game {\n  constructor(url) {\n"
        "    this.link = new Link(url);\n    this.link.on('left', (user) => show(user));\n  }\n}\n"
        "export const socket = null;\n"
    )
    page = (
        "<template><p /></template>\n<script setup>\nimport { Game } from './game.ts';\n"
        "onMounted(() => {\n  new Game('/').start();\n});\n</script>\n"
    )
    expected = [("link.ts", 4, "client-in-handler")]  # and its listener goes with it
    assert found(tmp_path, link_ts=link, game_ts=game, Page_vue=page) == expected


@pytest.mark.parametrize(
    ("app", "parameters"),
    [
        ("io.on('connection', (s) => { s.on('enter', (r) => talk(s, r)); });", "socket, room"),
        ("import { socket } from './socket';\nsocket.on('entered', () => talk());", "room"),
        ("import { socket } from './socket';\nbutton.onclick = () => talk(socket);", ""),
    ],
)
def test_function_of_another_file_that_an_event_runs(tmp_path: Path, app: str, parameters: str):
    talk = "import { socket } from './socket';\n"
    talk += f"export function talk({parameters}) {{\n  socket.on('line', show);\n}}\n"
    app = f"import {{ talk }} from './talk';\n{app}\n"
    expected = [("talk.js", 3, "listener-in-handler")]
    assert found(tmp_path, app_js=app, talk_js=talk) == expected


def test_function_of_another_file_that_gets_the_socket_of_an_event(tmp_path: Path):
    app = "import { talk } from './talk';\n"
    app += "io.on('connection', (s) => { s.on('enter', (r) => talk(r, s)); });\n"
    talk = "import { socket } from './socket';\n"
    talk += "export function talk(room, guest) {\n  guest.on('line', show);\n}\n"
    assert found(tmp_path, app_js=app, talk_js=talk) == [("talk.js", 3, "listener-in-handler")]


@pytest.mark.parametrize(
    "app",
    [
        "export const serve = (socket) => socket.on('login', () => talk('a', socket));",
        "export const serve = (socket) => { button.onclick = () => talk('a', socket); };",
        "const socket = io();\nbutton.onclick = () => talk('a', socket);",
    ],
)
def test_function_of_another_file_that_gets_a_socket_of_any_kind(tmp_path: Path, app: str):
    app = f"import {{ io }} from 'socket.io-client';\nimport {{ talk }} from './talk';\n{app}\n"
    talk = "export function talk(room, guest) {  // a socket\n  guest.on('line', show);\n}\n"
    assert found(tmp_path, app_js=app, talk_js=talk) == [("talk.js", 2, "listener-in-handler")]


@pytest.mark.parametrize(
    "app",
    [
        "hub.on('guest', (socket) => talk('a', socket));",  # another one each time
        "button.onclick = () => { const socket = io(); talk('a', socket); };",
    ],
)
def test_function_of_another_file_that_gets_a_new_socket(tmp_path: Path, app: str):
    app = f"import {{ io }} from 'socket.io-client';\nimport {{ talk }} from './talk';\n{app}\n"
    talk = "export function talk(room, guest) {  // a socket\n  guest.on('line', show);\n}\n"
    found_in = [place[0] for place in found(tmp_path, app_js=app, talk_js=talk)]
    assert "talk.js" not in found_in


def test_the_event_is_named_of_which_the_handler_runs_another_file(tmp_path: Path):
    (tmp_path / "talk.js").write_text("module.exports = (socket) => socket.on('line', show);\n")
    (tmp_path / "app.js").write_text(
        "const talk = require('./talk');\n"
        "io.on('connection', (s) => { s.on('enter', () => talk(s)); });\n"
    )
    [finding] = check_paths([tmp_path]).findings
    assert "each time that 'enter' is handled" in finding.message


SERVED = "const io = require('socket.io')(80);\nconst { serve } = require('./serve');\n"
LISTENING = """
exports.serve = (io) => {
  io.on('connection', (socket) => socket.emit('hello'));
};
"""


@pytest.mark.parametrize("given", ["io", ""])
def test_function_of_another_file_that_a_request_runs(tmp_path: Path, given: str):
    app = f"{SERVED}app.get('/chat', (req, res) => {{\n  serve({given});\n}});\n"
    expected = [("serve.js", 3, "connection-in-request")]
    assert found(tmp_path, app_js=app, serve_js=LISTENING) == expected


def test_function_of_another_file_that_a_request_runs_once(tmp_path: Path):
    app = f"{SERVED}app.get('/chat', (req, res) => {{\n"
    guarded = f"{app}  if (!app.io) {{ app.io = io; serve(io); }}\n}});\n"
    assert found(tmp_path, app_js=guarded, serve_js=LISTENING) == []
    assert found(tmp_path, app_js=f"{SERVED}serve(io);\n", serve_js=LISTENING) == []


def test_function_that_an_event_runs_once(tmp_path: Path):
    app = "import { talk } from './talk';\nio.on('connection', (s) => {\n  let known = false;\n"
    app += "  s.on('enter', () => { if (!known) { known = true; talk(s); } });\n});\n"
    talk = "export function talk(socket) {\n  socket.on('line', show);\n}\n"
    assert found(tmp_path, app_js=app, talk_js=talk) == []


ADDS = "export const listen = (socket) => {\n  socket.on('news', show);\n};\n"
BEATS = "export const listen = (socket) => {\n  setInterval(() => socket.emit('beat'), 9000);\n};\n"


@pytest.mark.parametrize(
    ("handler", "module", "rule"),
    [
        ("() => listen(socket)", ADDS, "listener-in-connect"),
        ("() => { login(); listen(socket); }", BEATS, "timer-in-connect"),
        ("start", ADDS, "listener-in-connect"),
        ("() => { if (first) { listen(socket); first = false; } }", ADDS, None),
        ("start", ADDS.replace("on(", "off('news', show).on("), None),
    ],
)
def test_function_of_another_file_that_connect_runs(
    tmp_path: Path, handler: str, module: str, rule: str | None
):
    app = "import { io } from 'socket.io-client';\nimport { listen } from './listen';\n"
    app += "const socket = io();\nlet first = true;\nfunction start() { listen(socket); }\n"
    app += f"socket.on('connect', {handler});\n"
    expected = [("listen.js", 2, rule)] if rule else []
    assert found(tmp_path, app_js=app, listen_js=module) == expected


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("stopListening(socket)", []),
        ("socket.removeAllListeners('news')", []),
        ("clearTimeout(timer)", [("listen.js", 2, "listener-in-connect")]),
    ],
)
def test_function_that_connect_runs_and_disconnect_takes_back(
    tmp_path: Path, end: str, expected: list[tuple[str, int, str]]
):
    app = "import { io } from 'socket.io-client';\n"
    app += "import { listen, stopListening } from './listen';\nconst socket = io();\n"
    app += "socket.on('connect', () => listen(socket));\n"
    app += f"socket.on('disconnect', () => {end});\n"
    assert found(tmp_path, app_js=app, listen_js=ADDS) == expected


def test_function_of_another_file_that_a_disconnection_runs(tmp_path: Path):
    app = "import { io } from 'socket.io-client';\nimport { listen } from './listen';\n"
    app += "const socket = io();\nsocket.on('disconnect', () => listen(socket));\n"
    results = found(tmp_path, app_js=app, listen_js=ADDS)
    assert results == [("listen.js", 2, "listener-in-connect")]


CONTEXT = (
    "import { createContext } from 'react';\nexport const SocketContext = createContext(io());\n"
)


def component_of(client: str, name: str, handler: str, end: str) -> str:
    return (
        "import { useContext, useEffect } from 'react';\n"
        f"import {{ SocketContext }} from './{client}';\n"
        f"export function {name}() {{\n"
        "  const socket = useContext(SocketContext);\n"
        f"  useEffect(() => {{ socket.on('news', {handler}); return () => {end}; }}, []);\n"
        "  return null;\n}\n"
    )


@pytest.mark.parametrize(
    ("client", "end", "lines"),
    [
        ("client", "socket.off('news')", [5]),
        ("client", "socket.removeAllListeners()", [5]),
        ("client", "socket.off('news', show)", []),
        ("other", "socket.off('news')", []),
        ("client", "{ socket.off(); socket.disconnect(); }", []),
    ],
)
def test_cleanup_takes_the_listener_of_a_component_in_another_file(
    tmp_path: Path, client: str, end: str, lines: list[int]
):
    list_ = component_of("client", "List", "show", "socket.off('news', show)")
    bell = component_of(client, "Bell", "show", end)
    sources = {"client_jsx": CONTEXT, "other_jsx": CONTEXT, "List_jsx": list_, "Bell_jsx": bell}
    expected = [("Bell.jsx", line, "cleanup-of-others") for line in lines]
    assert found(tmp_path, **sources) == expected


def test_cleanup_for_an_event_of_which_no_other_component_hears(tmp_path: Path):
    list_ = component_of("client", "List", "show", "socket.off('news', show)")
    bell = component_of("client", "Bell", "show", "socket.off('news')").replace("'news'", "'new'")
    assert found(tmp_path, client_jsx=CONTEXT, List_jsx=list_, Bell_jsx=bell) == []


@pytest.mark.parametrize(
    ("shown", "lines"),
    [
        ("<Route element={<List />} /> <Route element={<Bell />} />", []),
        ("<List /> <Bell />", [5]),
    ],
)
def test_cleanup_of_a_component_that_another_page_shows(
    tmp_path: Path, shown: str, lines: list[int]
):
    list_ = component_of("client", "List", "show", "socket.off('news', show)")
    bell = component_of("client", "Bell", "show", "socket.off('news')")
    app = (
        f"import {{ List }} from './List';\nimport {{ Bell }} from './Bell';\nshow(<>{shown}</>);\n"
    )
    sources = {"client_jsx": CONTEXT, "List_jsx": list_, "Bell_jsx": bell, "App_jsx": app}
    expected = [("Bell.jsx", line, "cleanup-of-others") for line in lines]
    assert found(tmp_path, **sources) == expected


def test_cleanup_of_a_page_takes_nothing_of_another_page(tmp_path: Path):
    list_ = component_of("../client", "List", "show", "socket.off('news', show)")
    bell = component_of("../client", "Bell", "show", "socket.off('news')")
    sources = {"client_jsx": CONTEXT, "pages__List_jsx": list_, "pages__Bell_jsx": bell}
    assert found(tmp_path, **sources) == []


def test_cleanup_of_a_component_that_a_list_repeats(tmp_path: Path):
    row = component_of("client", "Row", "show", "socket.off('news')")
    app = "import { Row } from './Row';\nshow(rows.map((row) => <Row key={row} />));\n"
    expected = [("Row.jsx", 5, "cleanup-of-others")]
    assert found(tmp_path, client_jsx=CONTEXT, Row_jsx=row, App_jsx=app) == expected


ROOM = "function join() {\n  socket.on('news', show);\n}\n"
START = "const socket = io();\n"


@pytest.mark.parametrize(
    ("page", "script"),
    [
        ("<button onclick='join()'>", START),
        ("<button onclick='return join()'>", START),
        ("", f"{START}button.onclick = join;\n"),
        ("", f"{START}$('#join').click(() => join());\n"),
        ("", f"{START}socket.on('welcome', () => join());\n"),
        ("", f"{START}socket.on('welcome', join);\n"),
        ("", f"{START}socket.on('welcome', () => window.join());\n"),
    ],
)
def test_function_of_another_script_of_the_page(tmp_path: Path, page: str, script: str):
    loaded = "<script src='start.js'></script><script src='room.js'></script>\n"
    sources = {"index_html": page + loaded, "start_js": script, "room_js": ROOM}
    assert found(tmp_path, **sources) == [("room.js", 2, "listener-in-handler")]


@pytest.mark.parametrize("handler", ["() => { join(); }", "join"])
def test_function_of_another_script_that_connect_runs(tmp_path: Path, handler: str):
    start = f"{START}socket.on('connect', {handler});\n"
    expected = [("room.js", 2, "listener-in-connect")]
    assert found(tmp_path, start_js=start, room_js=ROOM) == expected


@pytest.mark.parametrize(
    ("called", "room"),
    [
        (
            "App.room.join()",
            "var App = {};\nApp.room = { join() {\n  socket.on('news', show);\n} };",
        ),
        ("new Room()", "class Room {\n  constructor() {\n    socket.on('news', show);\n  }\n}"),
    ],
)
def test_object_of_another_script_of_the_page(tmp_path: Path, called: str, room: str):
    start = f"{START}socket.on('welcome', () => {called});\n"
    expected = [("room.js", 3, "listener-in-handler")]
    assert found(tmp_path, start_js=start, room_js=room) == expected


def test_script_that_a_page_does_not_share(tmp_path: Path):
    start = f"{START}button.onclick = join;\n"
    assert found(tmp_path, start_js=start, room_js=f"export {ROOM}") == []
    assert found(tmp_path, start_js=start, room_js=ROOM, hall_js=ROOM) == []
    page = "<script src='start.js'></script><script src='room.js'></script>\n"
    page += "<button onclick='join()'>"
    expected = [("room.js", 2, "listener-in-handler")]
    assert found(tmp_path, start_js=START, room_js=ROOM, hall_js=ROOM, a_html=page) == expected


def test_functions_of_the_browser_are_of_no_script(tmp_path: Path):
    start = f"{START}button.onclick = () => alert(fetch('/join'));\n"
    assert found(tmp_path, start_js=start, room_js=ROOM) == []


HALL = (
    "import { Server } from 'socket.io';\nconst halls = new Map();\n"
    "new Server(3000).on('connection', (socket) => {\n"
    "  socket.on('enter', (name) => halls.get(name).admitGuest(socket));\n});\n"
)
ADMITS = "export class Hall {\n  admitGuest(socket) {\n    socket.on('wave', wave);\n  }\n}\n"


def test_method_of_what_a_collection_holds(tmp_path: Path):
    expected = [("hall.js", 3, "listener-in-handler")]
    assert found(tmp_path, app_js=HALL, hall_js=ADMITS) == expected


@pytest.mark.parametrize(
    ("app", "hall"),
    [
        (HALL.replace("admitGuest(socket)", "add(socket)"), ADMITS.replace("admitGuest", "add")),
        (HALL.replace("admitGuest(socket)", "admitGuest(name)"), ADMITS),
        (HALL, ADMITS + ADMITS.replace("Hall", "Attic")),
    ],
)
def test_method_that_may_be_another_one(tmp_path: Path, app: str, hall: str):
    assert found(tmp_path, app_js=app, hall_js=hall) == []


STORE = (
    "import { io } from 'socket.io-client';\nexport default {\n  state: { socket: io() },\n"
    "  mutations: {\n    listen(state) {\n      state.socket.on('news', show);\n    },\n"
    "    leave(state) {\n      state.socket.off('news', show);\n    },\n  },\n"
    "  actions: {\n    openRoom({ commit }) {\n      commit('listen');\n    },\n  },\n};\n"
)
ROOM_PAGE = (
    "<script setup>\nimport { onMounted, onUnmounted } from 'vue';\nconst store = useStore();\n"
    "onMounted(async () => { await store.dispatch('socket/openRoom'); });\n%s</script>\n"
)


def test_action_of_a_store_that_adds_at_each_mount(tmp_path: Path):
    expected = [("store/socket.js", 6, "listener-without-cleanup")]
    for end in ("", "onUnmounted(() => store.commit('socket/greet'));\n"):
        assert found(tmp_path, store__socket_js=STORE, Room_vue=ROOM_PAGE % end) == expected


def test_action_of_a_store_whose_mutation_takes_back(tmp_path: Path):
    page = ROOM_PAGE % "onUnmounted(() => store.commit('socket/leave'));\n"
    assert found(tmp_path, store__socket_js=STORE, Room_vue=page) == []


def test_function_of_a_service_that_the_unmount_ends(tmp_path: Path):
    live = "import { socket } from './socket';\nexport const start = () => {\n"
    live += "  socket.on('news', show);\n  socket.on('late', tell);\n};\n"
    live += "export const stop = () => {\n  socket.off('news', show);\n};\n"
    page = "import { useEffect } from 'react';\nimport * as live from './live';\n"
    page += "export function Page() {\n  useEffect(() => {\n    live.start();\n"
    page += "    return () => live.stop();\n  }, []);\n  return <p />;\n}\n"
    expected = [("live.js", 4, "listener-without-cleanup")]  # `stop` forgets one of the two
    assert found(tmp_path, live_js=live, Page_jsx=page) == expected


def test_action_of_redux_that_makes_a_client(tmp_path: Path):
    slice_ = (
        "import io from 'socket.io-client';\nexport const live = createSlice({\n  reducers: {\n"
    )
    slice_ += "    open: (state) => {\n      state.current = io('/news');\n    },\n  },\n});\n"
    slice_ += "export const { open } = live.actions;\n"
    page = "import { useEffect } from 'react';\nimport { open } from './socketSlice';\n"
    page += "export function Page() {\n  useEffect(() => { dispatch(open()); }, []);\n"
    page += "  return <p />;\n}\n"
    expected = [("socketSlice.js", 5, "client-in-handler")]
    assert found(tmp_path, socketSlice_js=slice_, Page_jsx=page) == expected


STREAMS = (
    "import { Injectable } from '@angular/core';\nimport { fromEvent } from 'rxjs';\n"
    "import { io } from 'socket.io-client';\n@Injectable() export class Streams {\n"
    "  private socket = io();\n  of(event) { return fromEvent(this.socket, event); }\n}\n"
)
SEATS = (
    "import { Component } from '@angular/core';\nimport { Streams } from './streams';\n"
    "@Component({}) export class Seats {\n  constructor(private streams: Streams) {}\n"
    "  ngOnInit() {\n    this.rank = this.streams.of('rank').subscribe((rank) => {\n"
    "      const seats = this.streams.of('seat');\n      %s\n    });\n  }\n"
    "  ngOnDestroy() { this.rank.unsubscribe(); }\n}\n"
)


def test_stream_that_the_handler_of_another_opens(tmp_path: Path):
    seats = SEATS % "seats.subscribe(show);"
    expected = [("seats.ts", 8, "listener-in-handler")]
    assert found(tmp_path, streams_ts=STREAMS, seats_ts=seats) == expected
    first = seats.replace("of('seat')", "of('seat').pipe(take(1))")
    kept = SEATS % "this.seats?.unsubscribe(); this.seats = seats.subscribe(show);"
    for other in (first, kept):
        assert found(tmp_path, streams_ts=STREAMS, seats_ts=other) == []


def test_stream_that_is_a_field_of_a_service(tmp_path: Path):
    streams = STREAMS.replace("of(event) { return", "seats$ =").replace("event); }", "'seat');")
    seats = SEATS.replace("of('rank')", "seats$").replace("of('seat')", "seats$.pipe(first())")
    lines = (seats % "").replace("this.rank = ", "")
    expected = [("seats.ts", 6, "listener-without-cleanup")]
    assert found(tmp_path, streams_ts=streams, seats_ts=lines) == expected
    assert found(tmp_path, streams_ts=streams, seats_ts=seats % "seats.subscribe(show);") == []


def test_component_that_another_one_replaced(tmp_path: Path):
    part = "import { useEffect } from 'react';\nimport { socket } from '%s/socket';\n"
    part += "export default function %s() {\n  useEffect(() => {\n    socket.on('news', show);\n"
    part += "    return () => socket.off('news');\n  }, []);\n  return <p />;\n}\n"
    main = "// import App from './App';\nimport App from './app/App';\nimport News from './News';\n"
    main += "createRoot(root).render(<><App /><News /></>);\n"
    new = "export default () => <p />;\n"
    (tmp_path / "socket.js").write_text("export const socket = io();\n")
    sources = {"main_jsx": main, "App_jsx": part % (".", "App"), "News_jsx": part % (".", "News")}
    assert found(tmp_path, **sources, app__App_jsx=new) == []
    (tmp_path / "app" / "App.jsx").unlink()
    sources["main_jsx"] = main.replace("// ", "").replace("import App from './app/App';\n", "")
    taken = [("App.jsx", 6, "cleanup-of-others"), ("News.jsx", 6, "cleanup-of-others")]
    assert found(tmp_path, **sources) == taken


LAMP = (
    "const app = angular.module('hall', []);\napp.controller('LampCtrl', ($scope, socket) => {\n"
    "  socket.on('lit', (lamp) => $scope.lamps.push(lamp));\n});\n"
)


@pytest.mark.parametrize(
    ("others", "lines"),
    [
        ({}, [3]),  # who knows where it is used?
        ({"hall_html": "<body ng-controller='LampCtrl'></body>"}, []),
        ({"hall_ejs": '<div ng-app="hall" ng-controller="LampCtrl as lamp"></div>'}, []),
        ({"lamps_html": "<ul ng-controller='LampCtrl'></ul>"}, [3]),  # a part of a page
        ({"ways_js": "when('/lamps', { controller: 'LampCtrl' });"}, [3]),
        ({"ways_js": "when('/doors', { controller: 'DoorCtrl' });"}, []),
    ],
)
def test_controller_of_a_whole_page_is_made_once(
    tmp_path: Path, others: dict[str, str], lines: list[int]
):
    expected = [("lamp.js", line, "listener-without-cleanup") for line in lines]
    assert found(tmp_path, lamp_js=LAMP, **others) == expected


WIRE = (
    "import { io } from 'socket.io-client';\n@Injectable()\nexport class WireService {\n"
    "  socket = io();\n  heard = new Subject();\n  latest() {\n"
    "    this.socket.on('news', (text) => this.heard.next(text));\n"
    "    return this.heard.asObservable();\n  }\n}\n"
)
WIRE_PAGE = (
    "import { WireService } from './wire';\n@Component({ template: '' })\nexport class Page {\n"
    "  constructor(private wire: WireService) {}\n"
    "  ngOnInit() { this.open = this.wire.latest().subscribe(show); }\n"
    "  ngOnDestroy() { this.open.unsubscribe(); }\n}\n"
)


def test_to_unsubscribe_takes_no_listener_off_a_client(tmp_path: Path):
    expected = [("wire.ts", 7, "listener-without-cleanup")]
    assert found(tmp_path, wire_ts=WIRE, page_ts=WIRE_PAGE) == expected


def test_stream_that_takes_its_listener_off(tmp_path: Path):
    service = WIRE.replace("    this.socket.on('news', (text) => this.heard.next(text));\n", "")
    service = service.replace(
        "this.heard.asObservable()",
        "new Observable((to) => {\n      const show = (text) => to.next(text);\n"
        "      this.socket.on('news', show);\n      return () => this.socket.off('news', show);\n"
        "    })",
    )
    assert found(tmp_path, wire_ts=service, page_ts=WIRE_PAGE) == []


def test_method_of_a_class_of_another_file_is_none_of_this_one(tmp_path: Path):
    server = (
        "const Game = require('./game');\nconst Hall = {};\nlet io;\nHall.start = (server) => {\n"
        "  io = server;\n  io.on('connection', (socket) => {\n"
        "    socket.on('play', (name) => { Hall.play(name); });\n  });\n};\n"
        "Hall.play = (name) => { const game = new Game(name); game.start(); };\n"
        "module.exports = Hall;\n"
    )
    assert found(tmp_path, hall_js=server) == []

"""What `sio-demo doctor` finds out about a server, from outside."""

import pytest
import socketio
from aiohttp import web

from sio_demo import Link, doctor, serve
from sio_demo import __main__ as command_line
from sio_demo.doctor import Target, examine
from sio_demo.errors import UsageError

LISTEN = 0.5  # seconds on each connection


def new_server(**options):
    return socketio.AsyncServer(async_mode="aiohttp", **options)


async def findings(url, event=None, cuts=1, seconds=0, **target):
    return [each async for each in examine(Target(url, **target), event, cuts, seconds)]


def unwell(found):
    return [each.seen for each in found if not each.is_well]


@pytest.fixture
async def greeting():
    """A server that greets at each connection, once, and in a busy mood twice."""
    sio = new_server(max_http_buffer_size=12345, ping_interval=7, ping_timeout=4)
    events = ["welcome", "news", "news"]

    async def greet(sid):
        for event in events:
            await sio.emit(event, "hello", to=sid)

    @sio.event
    async def connect(sid, environ):
        sio.start_background_task(greet, sid)  # behind the CONNECT

    server = await serve(sio)
    yield server.url
    await server.close()


async def test_a_healthy_server_is_described(greeting):
    found = await findings(greeting, cuts=2)
    assert unwell(found) == []
    said = "\n".join(map(str, found))
    assert (
        "ping every 7 s, 4 s to answer\n    A line that falls silent is noticed within 15 s" in said
    )
    assert "transports: polling, websocket; maxPayload: 12345 bytes" in said
    assert "8 of 8 sessions were known" in said
    assert "websocket: connected" in said
    assert "came back after 2 of 2 cuts" in said


async def test_a_name_is_led_through_the_link_too(greeting):
    found = await findings(greeting.replace("127.0.0.1", "localhost"))
    assert unwell(found) == []
    assert any("came back after 1 of 1 cuts" in each.seen for each in found)


async def test_copies_on_one_connection_and_on_several_are_told_apart(greeting):
    found = await findings(greeting, seconds=LISTEN)
    welcome, news = found[-2:]
    assert welcome.seen.startswith("'welcome': 2 packets, 1 different; the same came up to 1 times")
    assert welcome.advice == doctor.AGAIN
    assert news.seen.startswith("'news': 4 packets, 1 different; the same came up to 2 times")
    assert news.advice == doctor.COPIES

    [named] = unwell(await findings(greeting, "news", seconds=LISTEN))
    assert named == news.seen
    [*_, once] = await findings(greeting, "welcome", cuts=0, seconds=LISTEN)
    assert once.advice == doctor.ONCE
    [*_, none] = await findings(greeting, "bread", cuts=0)
    assert none.seen == "'bread': none came"


async def test_workers_without_sticky_sessions_are_found():
    one, two = await serve(new_server()), await serve(new_server())
    link = await Link.to(one, two)
    [seen] = unwell(await findings(link.url, cuts=0))
    assert "polling: 0 of 8 sessions were known at their second request; 8 times 400" in seen
    for each in (link, one, two):
        await each.close()


async def test_without_websockets_it_connects_by_polling():
    server = await serve(new_server(transports=["polling"]))
    found = await findings(server.url)
    [seen] = unwell(found)
    assert seen.startswith("websocket: ")
    assert found[-2].seen == "polling: connected"
    assert found[-1].seen == "came back after 0 of 0 cuts"
    await server.close()


async def test_without_polling_it_connects_by_websocket():
    server = await serve(new_server(transports=["websocket"]))
    found = await findings(server.url)
    assert unwell(found) == []
    assert [each.seen for each in found[:2]] == ["polling is not offered", "websocket: connected"]
    await server.close()


async def test_who_is_not_let_in_hears_why():
    sio = new_server()

    @sio.event
    async def connect(sid, environ, auth):
        if auth != {"token": "good"} or len(used) == 2:
            raise socketio.exceptions.ConnectionRefusedError("no token")
        used.append(sid)

    used = []
    server = await serve(sio)
    [refused] = unwell(await findings(server.url))
    assert refused == "/ is refused: {'message': 'no token'}"
    [stays_away] = unwell(await findings(server.url, cuts=3, auth={"token": "good"}))
    assert stays_away.startswith("after cut 2 no session followed")
    await server.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(doctor, "PATIENCE", 2.0)


async def test_what_is_no_server_of_socketio_is_said():
    async def answer(request):
        return web.Response(text='85:0{"sid":"x","upgrades":[],"pingInterval":25000}2:40')  # 2.5

    application = web.Application()
    application.router.add_get("/old/", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    [old] = await findings(url, path="old")
    assert "Socket.IO 2" in old.advice
    [other] = await findings(url)
    assert "404" in other.seen
    assert "--path" in other.advice
    await runner.cleanup()
    [nobody] = await findings(url)
    assert nobody.seen.startswith(f"{url} does not answer")


def test_the_command_says_in_its_exit_code_whether_all_is_well(capsys):
    assert command_line.main(["doctor", "http://127.0.0.1:9"]) == 1
    assert "✘ http://127.0.0.1:9 does not answer" in capsys.readouterr().out
    assert command_line.main(["doctor", "chat.example.com"]) == 1
    assert "The URL begins with http:// or https://" in capsys.readouterr().err


async def test_what_is_no_url_is_refused():
    with pytest.raises(UsageError, match="begins with http"):
        await findings("ftp://chat")

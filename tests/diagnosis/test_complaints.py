"""What people complain of, observed at one end or at both apart, and what is said to it."""

import asyncio
from contextlib import suppress

import pytest
import socketio

from sio_demo.atlas.kit import tab
from sio_demo.diagnosis import Seen, diagnose, observe, snippet
from sio_demo.diagnosis.tally import Tally, remember
from sio_demo.errors import SnippetError
from sio_demo.lab.bench import bench, python_client
from sio_demo.lab.clients import EmitterClient


@pytest.fixture
async def apart():
    """A bench, a client, and an observer for each, as in two processes."""
    async with bench() as b, python_client() as client:
        client.on("news", lambda *_: None)
        with observe(b.sio) as there, observe(client) as here:
            yield b, client, there, here


def both(event, there, here, **options):
    return diagnose(there.message(event, **options), here.message(event, **options))


# --- two ends, two messages ---------------------------------------------------------------


async def test_the_last_message_of_one_end_is_not_mixed_with_that_of_the_other(apart):
    b, client, there, here = apart
    await b.connect(client)
    await b.sio.enter_room(client.get_sid(), "chat")
    await b.sio.emit("news", "one", room="chat")
    await b.settled()
    await b.cut()
    await b.sio.emit("news", "two", room="chat")
    await b.settled()
    found = both("news", there, here)
    assert found.findings[0] == 'It is ["two"]; what came last is ["one"].'
    assert found.seen.counters == (1, 1, 0, 0, None)
    assert found.letters[0] == "L5"
    assert "Name one message at both ends" in found.next[0]


def test_of_an_end_that_got_the_message_before_another_nothing_is_claimed():
    sender = Seen(packets=1, args="[2]").with_clues(recipient="client", emitted=1)
    recipient = Seen(1, None, 1, 1, args="[3]", also=("[2]", "[3]")).with_clues(connected=True)
    found = diagnose(sender, recipient)
    assert found.seen.counters == (None, None, 1, None, None)
    assert found.seen.clues.connected is True


def test_a_number_is_the_same_message_in_both_languages():
    python = Seen(packets=1, args="[1.0]").with_clues(recipient="client", emitted=1)
    javascript = Seen(1, None, 1, 1, args="[1]").with_clues(recipient="client")
    assert diagnose(python, javascript).seen.counters == (1, None, 1, 1, None)


# --- what was counted, and what was not ---------------------------------------------------


async def test_what_the_client_leaves_behind_when_it_disconnects_was_lost(apart):
    b, client, there, here = apart
    b.sio.on("order", lambda sid, text: None)
    sid = await b.connect(client)
    async with b.link.black_hole("client→server"):
        await client.emit("order", "tea", callback=lambda *_: None)
        await client.disconnect()
        await b.link.cut()
        await b.gone([sid])
    found = both("order", there, here)
    assert found.letters == ("L17",)
    assert "No acknowledgement of it came to its sender." in found.findings


async def test_an_answer_that_came_is_not_missed(apart):
    b, client, there, here = apart
    b.sio.on("order", lambda sid, text: "done")
    client.on("ask", lambda: "yes")
    sid = await b.connect(client)
    await client.call("order", "tea")
    await b.sio.call("ask", to=sid)
    for seen in (here.message("order"), there.message("ask")):
        assert seen.clues.answered is True
        assert "acknowledgement" not in str(diagnose(seen))


def test_what_did_not_come_to_a_server_may_have_been_sent():
    found = diagnose((1, 1, 0, 0, None), recipient="server", arrived=False)
    assert "whether it was sent was not counted" in found.findings[0]
    assert {"L2", "L22"} <= set(found.letters)


def test_what_was_never_emitted_is_no_loss_of_the_network():
    found = diagnose((1, 1, 0, 0, None), recipient="client", emitted=0, queue=False)
    assert set(found.letters) == {"L6", "L25"}
    assert "Is the line that emits it reached" in " ".join(found.findings)
    assert not found.certain


async def test_an_early_emit_that_answers_no_greeting_has_no_name(apart):
    b, client, there, here = apart
    b.sio.on("order", lambda sid, text: None)
    await client.connect(b.link.url, transports=["websocket"], wait=False)
    with pytest.raises(socketio.exceptions.BadNamespaceError):
        await client.emit("order", "tea")
    await b.settled()
    found = both("order", there, here)
    assert found.suspects == ()
    assert "It was emitted before the client was connected: wait for that." in found.findings


def test_copies_on_one_connection_are_not_those_of_several_clients():
    found = diagnose((None, None, 3, None, None), recipient="server", connections=1, emitted=3)
    assert found.findings[0] == "The message was sent 3 times."
    assert not {"D4", "D6", "D29"} & set(found.letters)


async def test_whether_a_user_was_away_is_asked_when_it_is_emitted(apart):
    b, client, _, here = apart
    names = {}

    @b.sio.event
    async def connect(sid, environ, auth):
        names[sid] = auth
        await b.sio.enter_room(sid, auth)

    with observe(b.sio, user=names.get) as there:
        sid = await b.connect(client, auth="ann")
        async with b.outage():
            await b.gone([sid])
            await b.sio.emit("news", "hi", room="ann")
        await b.settled()
        found = diagnose(there.message("news", user="ann"), here.message("news", "hi"))
    assert found.seen.clues.away is True
    assert found.letters == ("L1",)


def test_what_two_clients_counted_adds_up():
    def page(sid):
        return Seen(1, None, 1, 1, 1, who={"own": frozenset({sid})}).with_clues(
            recipient="client", connected=True, connections=1
        )

    server = Seen(None, 2, 2).with_clues(recipient="client", server="javascript", connections=2)
    found = diagnose(server, page("a"), page("b"))
    assert found.seen.counters == (2, 2, 2, 2, 2)
    assert {"D4", "D6", "D7", "D29"} <= set(found.letters)
    assert "D16" not in found.letters
    assert diagnose(server, page("a"), page("a")).seen.calls == 1  # one client, asked twice


async def test_a_session_that_nobody_observed_may_be_dead(apart):
    b, client, there, here = apart
    async with python_client() as ghost:
        ghost.on("news", lambda text: None)
        await b.connect(ghost)
        await b.connect(client)
        await b.sio.emit("news", "hi")
        await b.settled()
        found = both("news", there, here)
    assert "D16" in found.letters
    assert "D16" not in diagnose(found.seen, gone=False).letters


# --- several workers ----------------------------------------------------------------------


def worker(sids, *mine, **clues):
    who = {"live": frozenset(mine), "ever": frozenset(mine)}
    known = {"recipient": "client", "server": "python", "queue": True, "before": bool(mine)}
    return Seen(None, sids, 0, who=who).with_clues(**known, **clues)


def test_a_worker_that_does_not_hear_the_queue():
    page = Seen(1, None, 0, 0, who={"own": frozenset({"a"})}).with_clues(
        recipient="client", client="python", connected=True, before=True, arrived=False
    )
    emits, deaf = worker(0, emitted=1), worker(1, "a", emitted=0)
    found = diagnose(deaf, emits, page)
    assert found.seen.clues.emitted == 1
    assert found.letters[0] == "L14"
    found = diagnose(emits, page)
    assert "L14" in found.letters
    assert "never was" not in " ".join(found.findings)


def test_a_server_without_a_queue_has_not_lost_it_in_one():
    clues = {"recipient": "client", "emitted": 1, "reached": 0, "queue": False}
    assert "L14" not in diagnose((1, 1, 0, 0, None), **clues).letters


def test_two_workers_that_emit_the_same_are_two_servers():
    page = Seen(1, None, 2, 2, 2).with_clues(recipient="client", connections=1, connected=True)
    each = worker(1, "a", emitted=1)
    other = worker(0, emitted=1)
    found = diagnose(each, other, page)
    assert (found.seen.clues.emitted, found.seen.clues.servers) == (2, 2)
    assert "D17" in found.letters


# --- namespaces ---------------------------------------------------------------------------


async def test_an_event_is_found_in_its_namespace(apart):
    b, client, there, here = apart
    client.on("line", lambda text, more: None, namespace="/chat")
    b.sio.on("hello", lambda sid: None, namespace="/chat")
    await b.connect(client, namespaces=["/", "/chat"])
    await b.sio.emit("line", "hi", namespace="/chat")
    await b.settled()
    found = both("line", there, here)
    assert found.seen.clues.namespace == "/chat"
    assert found.seen.counters == (1, 1, 1, 0, None)
    assert "does not take its arguments" in " ".join(found.findings)
    assert there.message("hello").clues.namespace == "/chat"  # where there is a handler


async def test_what_is_emitted_in_another_namespace_is_told_from_an_absence(apart):
    b, client, there, here = apart
    b.sio.on("hello", lambda sid: None, namespace="/pop")
    await b.connect(client, namespaces=["/", "/pop"])
    await b.sio.enter_room(client.get_sid("/pop"), "ann", namespace="/pop")
    await b.sio.emit("news", "hi", room="ann")
    for found in (diagnose(there.message("news")), both("news", there, here)):
        assert found.letters[0] == "L25"
        assert not found.suspects[0].open
        assert "In another namespace somebody is." in found.findings


async def test_an_emit_in_a_namespace_that_was_never_connected_is_no_outage(apart):
    b, client, there, here = apart
    b.sio.on("order", lambda sid, text: None, namespace="/shop")
    await b.connect(client)
    with pytest.raises(socketio.exceptions.BadNamespaceError):
        await client.emit("order", "tea", namespace="/shop")
    found = both("order", there, here)
    assert found.suspects == ()
    assert "The client is connected, and never was in /shop." in found.findings


async def test_a_sid_of_another_namespace_has_not_ended(apart):
    b, client, there, here = apart
    client.on("pong", lambda: None, namespace="/stream")

    @b.sio.on("ping", namespace="/stream")
    async def ping(sid):
        await b.sio.emit("pong", to=sid)

    await b.connect(client, namespaces=["/", "/stream"])
    await client.call("ping", namespace="/stream")
    found = both("pong", there, here)
    assert found.letters[0] == "L25"
    assert "The other end listens for it in /stream." in found.findings
    assert "has ended" not in " ".join(found.findings)


# --- who was there ------------------------------------------------------------------------


async def test_nobody_was_there_yet(apart):
    b, client, there, here = apart
    await b.sio.emit("news", "early")
    await b.connect(client)
    assert there.message("news").sids == 0
    assert both("news", there, here).letters == ("L1",)


async def test_a_room_that_is_written_alike_is_another_room(apart):
    b, client, there, here = apart
    await b.connect(client)
    await b.sio.enter_room(client.get_sid(), 7)
    await b.sio.emit("news", "hi", room="7")
    found = both("news", there, here)
    assert found.suspects == ()
    assert "7 is not '7'" in found.findings[0]


async def test_a_sid_that_was_stored_is_that_of_a_session_that_has_ended(apart):
    b, client, there, here = apart
    await b.connect(client)
    stored = client.get_sid()
    await b.cut()
    await b.settled()
    await b.sio.emit("news", "hi", to=stored)
    found = both("news", there, here)
    assert "That is the sid of an ended session: a reconnect brings another." in found.findings
    assert found.letters[0] == "L5"


async def test_what_another_worker_sends_to_its_own_clients_was_not_lost_on_the_way(apart):
    b, client, there, here = apart
    await b.connect(client)
    async with bench() as other, python_client() as ann:
        with observe(other.sio) as worker:
            await other.connect(ann)
            await other.sio.emit("news", "hi")
            await other.settled()
            found = diagnose(worker.message("news"), there.message("news"), here.message("news"))
    assert found.seen.counters == (1, 1, 0, 0, None)
    assert found.letters[0] == "L25"
    assert "another server object" in " ".join(found.findings)


async def test_what_was_sent_to_somebody_else_was_not_lost_on_the_way(apart):
    b, client, there, here = apart
    async with python_client() as ann:
        await b.connect(client)
        sid = await b.connect(ann)
        await b.sio.emit("news", "hi", to=sid)
        await b.settled()
        found = both("news", there, here)
    assert "L2" not in found.letters
    assert "It was for other sessions: 1." in found.findings


async def test_the_one_whom_a_broadcast_leaves_out_counts_for_nothing():
    async with bench() as b, python_client() as one, python_client() as two, python_client() as me:
        for client in (one, two, me):
            client.on("news", lambda text: None)
        with observe(b.sio, one, two, me) as seen:
            for client in (one, two, me):
                await b.connect(client)
            await b.sio.emit("news", "hi", skip_sid=me.get_sid())
            await b.settled()
        found = diagnose(seen.message("news"))
    assert {"D4", "D6", "D29"} <= set(found.letters)
    assert not {"D3", "D10"} & set(found.letters)


# --- how often ----------------------------------------------------------------------------


async def test_what_is_emitted_three_times_to_two_clients_is_sent_three_times(apart):
    b, client, there, here = apart
    async with python_client() as other:
        await b.connect(client)
        await b.connect(other)
        for _tick in range(3):
            await b.sio.emit("news", "tick")
        await b.settled()
        found = both("news", there, here)
    assert found.findings[:2] == (
        "Calls of emit() for it: 3, each for 2 sessions.",
        "The message was sent 3 times.",
    )
    assert found.findings[2].startswith("The program called it in test_complaints.py:")
    assert {"D8", "D9"} <= set(found.letters)
    assert not {"D4", "D6", "D16", "D29"} & set(found.letters)


async def test_a_message_without_arguments_carries_no_id(apart):
    b, client, there, here = apart
    b.sio.on("load", lambda sid: None)
    await b.connect(client)
    for _render in range(3):
        await client.emit("load")
    await client.call("load")
    found = both("load", there, here)
    assert not {"D23", "D24"} & set(found.letters)
    assert "same arguments" in found.next[0]


async def test_a_reply_while_the_client_is_being_connected_is_no_outage():
    async with bench() as b, python_client() as client:
        raised = asyncio.Event()

        @b.sio.event
        async def connect(sid, environ):
            await b.sio.emit("ask", to=sid)

        @client.event
        async def ask():
            try:
                await client.emit("state", "on")
            except socketio.exceptions.BadNamespaceError:
                raised.set()

        b.sio.on("state", lambda sid, text: None)
        with observe(b.sio) as there, observe(client) as here:
            await b.connect(client)
            await asyncio.wait_for(raised.wait(), 5)
            assert both("state", there, here).letters == ("L8",)


async def test_what_came_under_another_name_is_told(apart):
    b, client, there, here = apart
    client.on("sync", lambda: None)
    await b.connect(client)
    await b.sio.emit("new_s", "hi")
    await b.settled()
    assert '"new_s" came, and nobody listens to it.' in both("news", there, here).findings


def test_a_client_that_nobody_has_refused_is_still_on_its_way():
    clues = {"connected": False, "before": False, "refused": False, "rejected": False, "reason": ""}
    clues |= {"astray": False}
    found = diagnose((1, 0, 0, 0, None), recipient="client", client="javascript", **clues)
    assert found.suspects == ()
    assert "does each middleware of the server call next()?" in " ".join(found.findings)


def test_a_ping_timeout_has_two_reasons():
    found = diagnose((1, 1, 1, 0, None), reason="ping timeout", arrived=False)
    assert "L30" in " ".join(found.findings)


def test_what_failed_was_not_handled():
    found = diagnose((1, 1, 1, 1, None), failed=True)
    assert "handled once" not in str(found)


# --- JavaScript ---------------------------------------------------------------------------

PAGE = f"""{snippet()}
const socket = io(url, fast);
const seen = observe(socket);
"""
ASK = """
await connected(socket);
return {
  seen: (event) => JSON.stringify(seen.message(event)),
  named: (event, ...args) => JSON.stringify(seen.message(event, args, { recipient: "client" })),
  on: (event, how = "on") => { socket[how](event, () => {}); },
  add: (event, ...listeners) => { for (const one of listeners) socket.on(event, one); },
  ask: (event, ...args) => socket.emitWithAck(event, ...args),
  burst: (...events) => events.forEach((event) => socket.emit(event)),
  say: (event, ...args) => { socket.emit(event, ...args); },
  leave: () => { socket.disconnect(); },
  enter: () => { socket.connect(); return connected(socket); },
  unanswered: (event) => { socket.emit(event, () => {}); },
};
"""
SERVER = f"""{snippet()}
const server = await serve();
const seen = observe(server);
server.of("/drivers").on("connection", (socket) => socket.join("all"));
const ends = [];
let last;
server.on("connection", (socket) => {{
  last = socket;
  ends.push(new Promise((done) => socket.once("disconnect", () => done())));
  socket.on("enter", (ack) => {{ socket.join("game"); ack(); }});
  socket.on("turn", (ack) => {{ socket.to("game").emit("turn"); ack(); }});
  socket.on("join", () => {{ socket.on("say", () => {{}}); }});
  socket.on("swallowed", () => {{}});
  socket.once("start", () => {{}});
  socket.use(([event], next) => {{ if (event !== "swallowed") next(); }});
}});
return {{
  url: () => server.url,
  tell: (...args) => {{ server.emit(...args); }},
  room: (room, event) => {{ server.to(room).emit(event); }},
  rename: () => server.sockets.sockets.forEach((one) => {{ one.id = "mine"; one.join("game"); }}),
  seen: (event, recipient, user) =>
    JSON.stringify(seen.message(event, undefined, {{ recipient, user }})),
  named: (event, ...args) => JSON.stringify(seen.message(event, args, {{ recipient: "client" }})),
  tick: (...numbers) => {{ numbers.forEach((one) => server.volatile.emit("tick", one)); }},
  last: (event) => {{ last.emit(event); }},
  poll: (wait) => {{ (wait ? server.timeout(wait) : server).emit("news", 1, () => {{}}); }},
  block: (ms) => {{ // as the clock says
    let now = 0;
    performance.now = () => now;
    server.emit("tick", 1);
    now += ms;
    server.emit("tick", 2);
    return new Promise((done) => setImmediate(() => done(null)));
  }},
  sids: () => [...server.sockets.sockets.keys()],
  leave: (room) => server.socketsLeave(room),
  left: () => Promise.all(ends).then(() => null),
}};
"""


async def test_a_listener_for_once_was_not_removed_by_a_clean_up():
    async with tab(None, SERVER) as server, tab(await server("url()"), PAGE + ASK) as page:
        await page("on('news', 'once')")
        for number in (1, 2):
            await server(f"tell('news', {number})")
        await page("ask('sync')")
        found = diagnose(await server("seen('news')"), await page("seen('news')"))
    assert found.suspects == ()
    assert "once()" in " ".join(found.findings)


async def test_listeners_are_those_that_there_are_when_a_burst_is_handled():
    async with tab(None, SERVER) as server, tab(await server("url()"), PAGE + ASK) as page:
        await page("burst('join', 'join', 'say')")
        await page("ask('sync')")
        assert diagnose(await server("seen('say')")).seen.counters == (2, 1, 1, 2, None)


async def test_what_a_middleware_of_the_socket_swallows_is_not_handled():
    async with tab(None, SERVER) as server, tab(await server("url()"), PAGE + ASK) as page:
        await page("burst('swallowed')")
        await page("ask('sync')")
        found = diagnose(await server("seen('swallowed')"), await page("seen('swallowed')"))
    assert found.findings[0] == "It arrived, and no handler ran for it."
    assert "socket.use()" in " ".join(found.findings)
    assert found.suspects == ()


async def test_all_namespaces_of_a_server_are_observed():
    page_code = PAGE.replace("io(url, fast)", 'io(url + "/drivers", fast)') + ASK
    async with tab(None, SERVER) as server, tab(await server("url()"), page_code) as page:
        await page("on('news')")
        await server("room('all', 'news')")  # of "/", where nobody is
        found = diagnose(await server("seen('news')"), await page("seen('news')"))
    assert found.letters[0] == "L25"
    assert not found.suspects[0].open


async def test_what_went_to_another_page_was_not_lost_on_the_way():
    async with tab(None, SERVER) as server:
        url = await server("url()")
        async with tab(url, PAGE + ASK) as ann, tab(url, PAGE + ASK) as bob:
            await ann("on('news')")
            await server(f"room({(await server('sids()'))[-1]!r}, 'news')")
            await bob("ask('sync')")
            await ann("ask('sync')")
            found = diagnose(await server("seen('news')"), await ann("seen('news')"))
    assert found.seen.counters == (1, 2, 0, 0, None)
    assert "It was for other sessions: 1." in found.findings


async def test_a_room_that_has_no_name_is_named_all_the_same():
    async with tab(None, SERVER) as server, tab(await server("url()"), PAGE + ASK) as page:
        await page("on('news')")
        await server("room(undefined, 'news')")
        found = diagnose(await server("seen('news')"), await page("seen('news')"))
    assert "Nobody is in the room undefined: what joins it, and when?" in found.findings
    assert found.suspects == ()


async def test_a_greeting_of_several_connection_handlers_is_sent_by_each():
    async with tab(None, SERVER) as server, tab(await server("url()"), PAGE + ASK) as page:
        await page("on('welcome')")
        for _handler in range(3):
            await server("tell('welcome', 'hi')")
        await page("ask('sync')")
        found = diagnose(await server("seen('welcome')"), await page("seen('welcome')"))
    assert "D28" in found.letters


async def test_a_client_that_was_not_in_the_room_was_not_left_out():
    async with tab(None, SERVER) as server:
        url = await server("url()")
        async with tab(url, PAGE + ASK) as me, tab(url, PAGE + ASK) as sender:
            await me("on('turn')")
            await sender("ask('enter')")
            await sender("ask('turn')")
            found = diagnose(await server("seen('turn', 'client')"), await me("seen('turn')"))
    assert "L27" not in found.letters
    assert "Its emit() was for no session: not in that room, or left out." in found.findings
    assert "Nobody" not in str(found)  # the sender is


async def test_what_is_volatile_may_be_dropped_although_it_was_sent():
    page_code = PAGE.replace("fast", '{ ...fast, transports: ["polling"] }') + ASK
    async with tab(None, SERVER) as server, tab(await server("url()"), page_code) as page:
        await page("on('tick')")
        await server("tick(1, 2, 3)")
        await page("ask('sync')")
        found = diagnose(await server("seen('tick')"), await page("seen('tick')"))
    assert found.seen.clues.arrived is False
    assert found.letters[0] == "L12"
    assert not found.suspects[0].open


async def test_a_listener_that_was_registered_too_late_is_told():
    async with tab(None, SERVER) as server, tab(await server("url()"), PAGE + ASK) as page:
        await server("tell('news', 1)")
        await page("ask('sync')")
        await page("on('news')")
        found = diagnose(await page("seen('news')"))
    assert "It has a listener now: that was registered after it had come." in found.findings


async def test_an_acknowledgement_that_did_not_come_is_told():
    async with tab(None, SERVER) as server, tab(await server("url()"), PAGE + ASK) as page:
        await page("unanswered('silent')")
        await page("ask('sync')")
        missing = "No acknowledgement of it came to its sender."
        assert missing in diagnose(await page("seen('silent')")).findings
        assert missing not in diagnose(await page("seen('sync')")).findings


async def test_the_sids_of_a_user_are_those_when_it_was_emitted():
    code = SERVER.replace("observe(server)", "observe(server, { user: () => 'ann' })")
    async with tab(None, code) as server:
        await server("tell('news', 1)")
        async with tab(await server("url()"), PAGE + ASK):
            seen = Seen.of(await server("seen('news', undefined, 'ann')"))
    assert seen.sids == 0


async def test_a_session_whose_id_was_changed_is_no_client_that_is_away():
    async with tab(None, SERVER) as server, tab(await server("url()"), PAGE + ASK) as page:
        await page("on('turn')")
        await server("rename()")
        await server("room('game', 'turn')")
        await page("ask('sync')")
        found = diagnose(await server("seen('turn')"), await page("seen('turn')"))
    assert found.suspects == ()
    assert (found.seen.clues.away, found.seen.clues.reached) == (False, 0)


# --- what the counters of one end do not tell ----------------------------------------------


def test_two_effects_of_a_call_are_no_echo_of_ones_own_message():
    found = diagnose((1, None, 1, 1, 2), recipient="client")
    assert not found.certain
    assert found.asks[0] == "own"
    assert diagnose((1, None, 1, 1, 2), recipient="client", own=False).suspects == ()
    assert diagnose((1, None, 1, 1, 2), recipient="client", own=True).certain


async def test_what_the_application_emits_twice_is_traced_to_its_lines(apart):
    b, client, there, _ = apart
    await b.connect(client)

    async def publish():
        await b.sio.emit("news", "hi")

    await publish()
    await publish()
    await b.settled()
    found = diagnose(there.message("news"))
    assert "Calls of emit() for it: 2." in found.findings
    first, then = found.seen.clues.places.split(", ")
    assert first.split(" < ")[0] == then.split(" < ")[0]  # the line in publish()
    assert first != then  # and those that call it
    assert f"The program called it in {first}, {then}: what leads there?" in found.findings


async def test_three_lines_of_a_deep_program_are_told(apart):
    b, client, there, _ = apart
    await b.connect(client)

    async def publish(depth):
        await (publish(depth - 1) if depth else b.sio.emit("news", "hi"))

    await publish(5)
    assert there.message("news").clues.places.count(" < ") == 2


async def test_what_a_task_emits_has_no_line_before_its_own(apart):
    b, client, there, _ = apart
    await b.connect(client)
    for _ in range(2):
        await asyncio.create_task(b.sio.emit("news", "hi"))
    await b.settled()
    assert there.message("news").clues.places is None


async def test_the_lines_of_a_page_that_emit_are_told():
    program = """
await connected(socket);
const say = () => { socket.emit("news", 1); };
const twice = () => {
  say();
  say();
};
return { twice, seen: (event) => JSON.stringify(seen.message(event)) };
"""
    async with bench() as b, tab(b.link.url, PAGE + program) as page:
        await page("twice()")
        found = diagnose(await page("seen('news')"))
    first, then = found.seen.clues.places.split(", ")
    lines = [
        [int(each.split(":")[1]) for each in place.split(" < ")[:2]] for place in (first, then)
    ]
    (line, above), (same, below) = lines
    assert line == same
    assert (above, below) == (line + 2, line + 3)


async def test_servers_that_emit_the_same_are_counted(apart):
    b, client, _, _ = apart
    async with bench() as other:
        with observe(b.sio, other.sio) as both:
            await b.connect(client)
            for each in (b, other):
                await each.sio.emit("news", "hi")
            assert both.message("news").clues.servers == 2


async def test_a_cause_that_is_left_over_is_no_answer(apart):
    b, client, there, here = apart
    b.sio.on("job", lambda sid, what: None)
    await b.connect(client)
    for _ in range(3):
        await client.emit("job", "print")
    await client.call("sync")
    found = diagnose(here.message("job"), there.message("job"))
    assert found.letters == ()  # nobody waits for an answer, so it was no retry
    assert any(finding.startswith("The program called it in") for finding in found.findings)
    text = str(diagnose((1, 1, 1, 1, 2), recipient="client"))
    assert "it is this one only if what follows" in text
    assert text.index("I cannot tell yet. Next:") < text.index("D22")


async def test_a_server_tells_that_the_session_has_ended_that_it_was_sent_to(apart):
    b, client, there, _ = apart
    sid = await b.connect(client)
    await b.sio.emit("news", "hi")
    assert there.message("news").clues.died is False
    await b.link.cut()  # and no goodbye, which the server may hear or not
    await b.gone([sid])
    found = diagnose(there.message("news"))
    assert found.seen.clues.died is True
    assert "has ended since" in " ".join(found.findings)
    assert "L2" in found.letters
    assert not found.certain


async def test_another_server_object_has_not_the_clients_session(apart):
    b, client, _, here = apart
    async with bench() as other:
        with observe(other.sio) as emitter:
            await b.connect(client)
            await other.sio.emit("news", "hi")
            found = diagnose(emitter.message("news"), here.message("news"))
    assert found.letters[0] == "L25"
    assert found.seen.sids is None


async def test_what_was_not_answered_may_be_lost_or_its_answer_may_be(apart):
    b, client, _, here = apart
    b.sio.on("order", lambda sid, text: None)
    await b.connect(client)
    async with b.link.black_hole("client→server"):
        await client.emit("order", "tea", callback=lambda *_: None)
        await client.disconnect()
    found = diagnose(here.message("order"))
    assert not found.certain
    assert "L17" in found.letters
    assert "L4" not in found.letters


def test_an_answer_that_the_network_may_have_lost():
    clues = {"recipient": "server", "client": "python", "emitted": 1, "acknowledged": True}
    clues |= {"answered": False, "connected": True, "before": True, "reason": "transport error"}
    clues |= {"large": False}
    found = diagnose((None, None, 1, None, None), **clues)
    assert {"L2", "L4"} <= set(found.letters)
    assert not found.certain
    assert diagnose((None, None, 1, None, None), **clues | {"answered": True}).suspects == ()
    assert diagnose((None, None, 1, None, None), **clues | {"large": True}).letters[0] == "L22"


def test_a_rejection_is_said():
    clues = {"recipient": "server", "client": "javascript", "connected": False, "before": False}
    clues |= {"refused": True, "rejected": True, "reason": "", "volatile": False, "emitted": 1}
    found = diagnose((None, None, 0, None, None), **clues)
    assert found.suspects == ()
    assert "The server has rejected the client" in " ".join(found.findings)


def test_each_of_several_clients_gets_it_once():
    found = diagnose((2, 2, 2, 2, None), recipient="client", connections=2)
    assert "if they are several users', nothing is doubled" in found.findings[0]


def test_a_listener_of_each_connection_does_not_count_one_clients_connections():
    clues = {"recipient": "client", "client": "javascript", "reconnects": 0, "connections": 1}
    found = diagnose((1, None, 3, 3, None), emitted=3, **clues)
    assert not next(each for each in found.suspects if each.cause.letter == "D9").doubts


def test_a_room_that_is_called_undefined_had_no_name():
    for room in ("undefined", '"undefined"', "'None'", "null"):
        clues = {"recipient": "client", "emitted": 1, "reached": 0, "room": room}
        assert "no entry" in " ".join(diagnose((1, 1, 0, 0, None), **clues).findings)


async def test_a_handler_in_another_namespace_is_told(apart):
    b, client, there, _ = apart
    b.sio.on("order", lambda sid, text: None, namespace="/shop")
    await b.connect(client)
    await client.emit("order", "tea")
    await client.call("sync")
    found = diagnose(there.message("order"))
    assert found.suspects == ()
    assert "It is listened to in /shop." in found.findings


# --- what else was emitted, and to whom ----------------------------------------------------


async def test_an_event_that_is_emitted_for_others_is_on_the_right_server(apart):
    b, client, there, here = apart
    await b.connect(client)
    await b.sio.emit("news", "one")
    await b.settled()
    found = diagnose(there.message("news", "two"), here.message("news", "two"), always=True)
    assert found.seen.clues.kin is True
    assert found.suspects == ()
    assert "emit() was called for others of this event" in " ".join(found.findings)
    assert diagnose(found.seen, kin=False).letters == ("L25",)


async def test_what_is_emitted_for_another_user_is_on_the_right_server(apart):
    b, client, _, _ = apart
    names = {}

    @b.sio.event
    async def connect(sid, environ, auth):
        names[sid] = auth

    async with python_client() as other:
        with observe(b.sio, user=names.get) as there:
            sid = await b.connect(client, auth="ann")
            await b.connect(other, auth="bob")
            await b.sio.emit("news", "hi", to=sid)
            found = diagnose(there.message("news", user="bob"), always=True, connected=True)
    assert "L25" not in found.letters
    assert not found.certain


async def test_what_came_under_another_name_has_no_other_cause(apart):
    b, client, there, here = apart
    client.on("sync", lambda: None)
    await b.connect(client)
    await b.sio.emit("new_s", "hi")
    await b.settled()
    found = both("news", there, here, recipient="client")
    assert found.next[0] == 'Is "new_s" this event, by another name at the other end?'
    assert not diagnose(found.seen, always=True).certain
    assert diagnose(found.seen, elsewhere=False, always=True).suspects == ()


async def test_an_event_that_goes_the_other_way_is_no_other_name(apart):
    b, client, there, here = apart
    await b.connect(client)
    await client.emit("hello", "server")
    await client.call("sync")
    assert both("news", there, here).seen.clues.unheard is None
    assert there.message("news").clues.unheard is None
    assert both("order", there, here, recipient="server").seen.clues.unheard == "hello"


async def test_two_copies_for_one_user_of_two_are_not_two_sessions(apart):
    b, client, there, here = apart
    async with python_client() as other:
        await b.connect(other)
        sid = await b.connect(client)
        for _branch in range(2):
            await b.sio.emit("news", "hi", to=sid)
        await b.settled()
        for found in (diagnose(there.message("news")), both("news", there, here)):
            assert (
                found.findings[0]
                == "Live sids: 2; its packets went to 1 of them, whose sid it names."
            )
            assert "The message was sent 2 times." in found.findings
            assert not {"D4", "D6", "D16", "D29"} & set(found.letters)


async def test_a_user_in_several_rooms_is_told_from_a_handler_that_runs_several_times(apart):
    b, client, there, _ = apart
    sid = await b.connect(client)
    for room in ("a", "b"):
        await b.sio.enter_room(sid, room)
        await b.sio.emit("news", 1, room=room)
        await b.sio.emit("news", 2, room="a")
    await b.settled()
    clues = {"always": True, "grows": False, "server": "javascript"}
    assert diagnose(there.message("news", 1), **clues).letters == ("D18",)
    assert diagnose(there.message("news", 2), **clues).letters == ("D10", "D28")


def test_a_copy_now_and_then_is_no_replay_unless_one_was_asked_for():
    clues = {"recipient": "client", "connections": 1, "emitted": 2, "always": False, "event": "x"}
    found = diagnose((1, 1, 2, 2, 2), **clues)
    assert not found.certain
    assert found.asks == ("fresh",)
    assert diagnose((1, 1, 2, 2, 2), fresh=False, **clues).suspects == ()


async def test_the_rooms_of_several_emits_are_told_in_javascript():
    async with tab(None, SERVER) as server, tab(await server("url()"), PAGE + ASK) as page:
        await page("ask('enter')")
        for room in ("game", "game"):
            await server(f"room({room!r}, 'one')")
        for room in ("game", (await server("sids()"))[0]):
            await server(f"room({room!r}, 'two')")
        await page("ask('sync')")
        one, two = [Seen.of(await server(f"seen({event!r})")) for event in ("one", "two")]
    assert (one.clues.rooms, two.clues.rooms) == (1, 2)


async def test_what_was_emitted_for_others_is_told_in_javascript():
    async with tab(None, SERVER) as server, tab(await server("url()"), PAGE + ASK) as page:
        await page("on('news')")
        await server("tell('news', 1)")
        await page("burst('swallowed')")
        await page("ask('sync')")
        assert Seen.of(await server("seen('news')")).clues.kin is None
        assert Seen.of(await page("named('news', 2)")).clues.kin is None
        assert Seen.of(await server("named('news', 2)")).clues.kin is True
        assert Seen.of(await server("named('other', 2)")).clues.kin is False


async def test_two_different_listeners_for_one_name_are_none_too_many():
    async with tab(None, SERVER) as server, tab(await server("url()"), PAGE + ASK) as page:
        await page("add('news', (text) => text, (text) => [text])")
        await page("add('line', (text) => text, (text) => text)")
        await server("tell('news', 1)")
        await server("tell('line', 1)")
        await page("ask('sync')")
        news, line = [diagnose(await page(f"seen({event!r})")) for event in ("news", "line")]
    assert news.suspects == ()
    assert "are different functions" in " ".join(news.findings)
    assert line.letters == ("D3", "D10")


async def test_an_emit_that_is_not_awaited_is_not_on_another_server(apart):
    b, client, there, here = apart
    await b.connect(client)
    b.sio.emit("news", "hi").close()
    found = both("news", there, here)
    assert "In asyncio it is to be awaited." in " ".join(found.findings)
    assert diagnose(found.seen, always=True).asks == ("elsewhere",)
    assert diagnose(found.seen, always=True, elsewhere=False).suspects == ()


async def test_a_listener_for_once_of_a_server_was_not_registered_too_late():
    async with tab(None, SERVER) as server, tab(await server("url()"), PAGE + ASK) as page:
        await page("ask('sync')")
        for number in (1, 2):
            await page(f"say('start', {number})")
        await page("ask('sync')")
        found = diagnose(await server("seen('start')"), always=False)
    assert found.suspects == ()
    assert "once()" in " ".join(found.findings)


def test_what_is_called_twice_and_answered_was_not_repeated_after_a_timeout():
    clues = {"recipient": "server", "acknowledged": True, "emitted": 2, "ids": False}
    clues |= {"always": False, "client": "python", "connections": 1, "event": "join"}
    found = diagnose((1, 1, 2, 2, 2), **clues)
    assert found.letters == ("D15",)
    assert found.asks == ("timed_out",)
    assert diagnose((1, 1, 2, 2, 2), timed_out=False, **clues).suspects == ()


def test_a_state_that_never_had_to_be_recovered_was_not_lost():
    clues = {"recipient": "client", "client": "javascript", "server": "javascript", "away": True}
    clues |= {"connected": True, "before": True, "reached": 0, "reconnects": 0, "astray": False}
    assert diagnose((1, 0, 0, 0, None), **clues).letters == ("L1",)
    clues |= {"reconnects": 1}
    assert diagnose((1, 0, 0, 0, None), **clues, recovery=True).letters == ("L10", "L1")
    assert diagnose((1, 0, 0, 0, None), **clues, recovery=False).letters == ("L1",)
    assert "recovery" in diagnose((1, 0, 0, 0, None), **clues).asks


async def test_other_clients_have_no_part_in_what_one_sends(apart):
    b, client, there, _ = apart
    b.sio.on("order", lambda sid, text: None)
    await b.connect(client)
    async with python_client() as other:
        await b.connect(other)
        await client.emit("order", "tea")
        await client.call("sync")
        found = diagnose(there.message("order"))
        await client.emit("order", "tea")
        await client.call("sync")
        twice = diagnose(there.message("order"))
    assert found.findings[0] == "Live sids: 2; it came from 1 of them."
    assert (found.suspects, found.ruled_out) == ((), ())
    assert "The message was sent 2 times." in twice.findings
    assert not {"D4", "D6", "D16", "D29"} & set(twice.letters)


def test_the_limits_of_what_a_server_takes_are_not_asked_of_what_it_sends():
    clues = {"recipient": "client", "arrived": False, "raised": False, "reason": "ping timeout"}
    found = diagnose((1, 1, 1, 0, None), before=True, volatile=False, **clues)
    assert found.letters == ("L2",)
    assert found.certain


async def test_a_server_in_javascript_tells_that_the_session_has_ended():
    async with tab(None, SERVER) as server:
        async with tab(await server("url()"), PAGE + ASK) as page:
            await page("ask('sync')")
            await server("tell('news', 1)")
            assert '"died":false' in await server("seen('news')")
        await server("left()")
        found = diagnose(await server("seen('news')"))
    assert found.seen.clues.died is True
    assert "has ended since" in " ".join(found.findings)


# --- of which end, and in which direction ---------------------------------------------------


def test_an_emit_on_another_server_need_not_fail_each_time():
    """With two workers a client is sometimes at the one that emits."""
    page = {"recipient": "client", "connected": True, "arrived": False, "kin": False}
    found = diagnose((1, None, 0, 0, None), emitted=0, elsewhere=True, always=False, **page)
    assert found.letters == ("L25",)
    assert found.certain


async def test_what_a_client_never_emitted_was_not_lost_on_its_way(apart):
    b, client, _, here = apart
    await b.connect(client)
    found = diagnose(here.message("join", "room 1"))
    assert "emit() was not called for it here" in found.findings[0]
    assert found.next[0].startswith("Who handles the message")
    assert found.suspects == ()
    found = diagnose(here.message("join", "room 1"), recipient="server")
    assert found.seen.clues.emitted == 0
    assert found.suspects == ()
    assert "It was not sent: emit() was not called for it where that is observed." in found.findings


async def test_a_server_does_not_emit_what_it_handles(apart):
    b, client, there, _ = apart
    await b.connect(client)
    found = diagnose(there.message("join"), recipient="server")
    assert found.seen.clues.emitted is None
    assert "Is the line that emits it reached" not in " ".join(found.findings)


async def test_what_goes_the_other_way_is_not_the_same_message(apart):
    b, client, there, here = apart
    b.sio.on("news", lambda *_: None)
    await b.connect(client)
    await client.emit("news", "hi")
    await b.sio.emit("news", "hi")
    await b.settled()
    sent, got = (each.message("news", "hi", recipient="server") for each in (here, there))
    returned = there.message("news", "hi", recipient="client")
    found = diagnose(sent, returned)
    assert found.seen.counters == diagnose(sent).seen.counters
    assert found.findings[0] == 'It is ["hi"]; what came last is ["hi"] for the client.'
    assert "recipient=..." in found.next[0]
    assert diagnose(sent, got).seen.calls == 1


def test_ids_are_of_use_only_if_the_copies_carry_the_same():
    twice = diagnose((1, 1, 2, 2, 2), recipient="server", emitted=2, acknowledged=True)
    assert "carry the same id" in " ".join(twice.next)


async def test_what_splits_many_suspects_best_is_said_first(apart):
    b, client, _, here = apart
    await b.connect(client)
    found = diagnose(here.message("news", "hi"))
    assert found.next[0].startswith("Observe the server as well, which sends it")
    assert len(found.later) > 3
    assert "proof:" not in str(found)


async def test_a_client_that_is_just_connecting_again_has_not_given_up(apart):
    b, client, _, here = apart
    await b.connect(client)
    client.reconnection_delay, client.reconnection_delay_max = 60, 60
    await b.link.cut()
    await b.wait_until(lambda: client._reconnect_task is not None, "it does not come back")
    seen = here.message("news", "hi")
    assert seen.clues.refused is None
    assert diagnose(seen).seen.clues.connected is False
    assert "L16b" not in [each.cause.letter for each in diagnose(seen).suspects if not each.open]


async def test_a_connect_handler_that_raises_is_not_cured_by_trying_again(apart):
    b, client, _, here = apart

    @b.sio.event
    async def connect(sid, environ):
        raise ValueError("no JSON")

    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(b.link.url, transports=["websocket"], wait_timeout=0.5)
    with pytest.raises(socketio.exceptions.BadNamespaceError):
        await client.emit("hello", 1)
    found = diagnose(here.message("hello"))
    assert "L28" not in found.letters
    assert "does its connect handler raise?" in " ".join(found.findings)


def test_ids_that_have_kept_the_copies_apart_are_not_to_blame():
    known = {"recipient": "server", "event": "pay", "ids": True, "always": False}
    known |= {"overlapped": True}
    found = diagnose((1, 1, 2, 2, 1), **known)
    assert found.letters == ()
    assert "Its effect is there once all the same." in found.findings
    twice = diagnose((1, 1, 2, 2, 2), **known)
    assert twice.letters == ("D23",)


def test_an_answer_that_did_not_survive_a_drop_is_named_when_both_ends_are_seen():
    clues = {"recipient": "server", "acknowledged": True, "answered": False, "large": False}
    found = diagnose((1, 1, 1, 1, 1), **clues, reason="transport close")
    assert found.letters == ("L4",)
    assert diagnose((1, 1, 1, 1, 1), **clues, reason="").suspects == ()


def test_what_a_page_emits_while_it_is_away_is_in_its_buffer():
    clues = {"recipient": "server", "client": "javascript", "emitted": 1, "away": True}
    found = diagnose((None, None, 0, None, None), **clues, connected=False, volatile=False)
    assert "keeps it until it is connected again" in " ".join(found.findings)


async def test_a_server_in_javascript_tells_whether_it_recovers_the_state():
    async with tab(None, f"{snippet()} {RECOVERING}") as server:
        assert '"recovery":true' in await server("message()")


RECOVERING = """
const server = await serve({ connectionStateRecovery: {} });
const seen = observe(server);
return { message: () => JSON.stringify(seen.message("news")) };
"""


# --- what one end alone can tell ---------------------------------------------------------------


async def test_a_server_tells_why_the_session_of_a_user_has_ended():
    users = {}
    async with bench(ping_interval=0.1, ping_timeout=0.1) as b, python_client() as ann:

        @b.sio.event
        async def connect(sid, environ, auth):
            users[sid] = auth

        with observe(b.sio, user=users.get) as there:
            async with python_client() as bob:
                await ann.connect(b.link.url, auth="ann", transports=["websocket"])
                await bob.connect(b.link.url, auth="bob", transports=["websocket"])
                await b.sio.disconnect(bob.get_sid())
            async with b.link.black_hole():
                await b.wait_until(lambda: not there._servers[0].live("/"), "it is not dropped")
                await b.sio.emit("news", 1)
            found = {user: diagnose(there.message("news", 1, user=user)) for user in users.values()}
    assert found["ann"].seen.clues.reason == "ping timeout"
    assert "L19" not in found["ann"].letters
    assert found["ann"].letters[0] == "L1"
    assert found["bob"].seen.clues.reason == "server disconnect"
    assert "L19" in found["bob"].letters
    assert found["bob"].letters[0] == "L19"
    assert set(found["bob"].letters) == {"L1", "L13", "L19"}


async def test_a_server_tells_whether_it_has_rejected_anybody(apart):
    b, client, there, _ = apart
    await b.connect(client)
    assert there.message("news").clues.rejected is False

    @b.sio.event
    async def connect(sid, environ, auth):
        return False

    async with python_client() as other:
        with pytest.raises(socketio.exceptions.ConnectionError):
            await other.connect(b.link.url, transports=["websocket"], wait_timeout=0.5)
    assert there.message("news").clues.rejected is None


async def test_sessions_that_ended_for_several_reasons_have_none_in_common(apart):
    b, client, there, _ = apart
    await b.connect(client)
    async with python_client() as other:
        await b.connect(other)
        await b.sio.disconnect(other.get_sid())
        await b.wait_until(lambda: len(there._servers[0].live("/")) == 1, "it is there")
    assert there.message("news").clues.reason == "server disconnect"
    await client.disconnect()
    await b.wait_until(lambda: not there._servers[0].live("/"), "it is there")
    assert there.message("news").clues.reason is None


async def test_a_server_in_javascript_tells_why_a_session_has_ended():
    async with tab(None, SERVER) as server:
        async with tab(await server("url()"), PAGE + ASK) as page:
            await page("ask('sync')")
            assert '"reason":""' in await server("seen('news')")
        await server("left()")
        assert '"reason":"client namespace disconnect"' in await server("seen('news')")


def test_a_ping_timeout_that_one_end_has_seen_is_why_the_connection_ended():
    known = {"recipient": "client", "namespace": "/"}
    page = Seen(1, None, 0, 0).with_clues(**known, connected=True, reason="transport error")
    server = Seen(None, 0, 0).with_clues(**known, emitted=1, reason="ping timeout")
    found = diagnose(page, server)
    assert found.seen.clues.reason == "ping timeout"
    assert "L30" in " ".join(found.findings)
    ended = page.with_clues(reason="io server disconnect")
    assert diagnose(ended, server).seen.clues.reason == "io server disconnect"


async def test_a_server_that_waits_for_an_event_is_not_the_end_that_tells(apart):
    b, client, there, _ = apart
    b.sio.on("order", lambda *_: None)
    await b.connect(client)
    found = diagnose(there.message("order"))
    assert found.next[0].startswith("Observe the client as well, which sends it")


async def test_a_listener_on_another_server_object_was_not_registered_too_late(apart):
    b, client, *_ = apart
    other = socketio.AsyncServer()
    other.on("order", lambda *_: None)
    await b.connect(client)
    with observe(b.sio, other) as there:
        await client.emit("order", "tea")
        await client.call("sync")
        found = diagnose(there.message("order"))
    assert found.seen.clues.late is False
    assert "It is listened to in another server object." in found.findings


async def test_a_listener_of_another_session_was_not_registered_too_late():
    only_admins = 'if (socket.handshake.auth.admin) socket.on("wipe", () => {});'
    code = SERVER.replace('socket.on("swallowed"', f'{only_admins} socket.on("swallowed"')
    async with tab(None, code) as server:
        url = await server("url()")
        admin = PAGE.replace("io(url, fast)", "io(url, { ...fast, auth: { admin: true } })")
        async with tab(url, admin + ASK) as boss, tab(url, PAGE + ASK) as page:
            await boss("ask('sync')")
            await page("say('wipe', 1)")
            await page("ask('sync')")
            found = diagnose(await server("seen('wipe')"))
    assert found.seen.clues.late is False


async def test_a_room_that_differs_in_its_marks_is_written_alike(apart):
    b, client, there, _ = apart
    await b.connect(client)
    await b.sio.enter_room(client.get_sid(), "private-7")
    await b.sio.emit("news", "hi", to="/Private-7")
    await b.sio.emit("news", "ho", to="private-8")
    assert (
        "A room is written like '/Private-7'" in diagnose(there.message("news", "hi")).findings[0]
    )
    assert there.message("news", "ho").clues.lookalike is False


def test_an_effect_that_is_there_once_speaks_for_a_session_without_a_client():
    found = diagnose((None, 2, 2, None, 1), recipient="client", emitted=1, reached=2)
    assert found.letters[0] == "D16"


def test_whoever_an_emit_left_out_comes_before_the_others():
    known = {"recipient": "client", "emitted": 1, "reached": 0, "astray": False}
    found = diagnose((None, 1, 0, None, None), **known, skipped=True)
    assert found.letters[0] == "L27"
    doubtful = {suspect.cause.letter for suspect in found.suspects if suspect.doubts}
    assert doubtful == {"L1", "L5", "L6"}


def test_a_line_that_emits_several_times_is_shown_whoever_it_is_for():
    known = {"recipient": "client", "emitted": 3, "reached": 2, "places": "chat.py:7"}
    found = diagnose((None, 2, 6, None, None), **known)
    assert "The program called it in chat.py:7: what leads there?" in found.findings


async def test_a_call_that_overlapped_another_is_said_so():
    async with bench() as b, python_client() as ann, python_client() as bob:
        both_there = asyncio.Barrier(2)

        @b.sio.event
        async def take(sid, seat):
            await both_there.wait()

        with observe(b.sio, user=lambda sid: sid) as there:
            await b.connect(ann)
            await b.connect(bob)
            await asyncio.gather(*(each.call("take", 1) for each in (ann, bob)))
            found = diagnose(there.message("take", user=ann.get_sid()))
    assert "overlapped" in " ".join(found.findings)
    assert found.suspects == ()


async def test_whose_sids_they_are_is_not_asked_of_who_has_said_it():
    users = {}
    async with bench() as b, python_client() as ann, python_client() as twin:

        @b.sio.event
        async def connect(sid, environ, auth):
            users[sid] = auth

        with observe(b.sio, user=users.get) as there, observe(b.sio) as plain:
            for client in (ann, twin):
                client.on("news", lambda *_: None)
                await client.connect(b.link.url, auth="ann", transports=["websocket"])
            await b.sio.emit("news", 1)
            told, untold = (
                diagnose(each.message("news", 1, **whose))
                for each, whose in ((there, {"user": "ann"}), (plain, {}))
            )
    question = "Are all these sids one user's?"
    assert question in " ".join(untold.next)
    assert question not in " ".join(told.next)
    assert "if they are several users'" not in " ".join(told.findings)


async def test_a_server_tells_that_a_user_is_back():
    users = {}
    async with bench() as b, python_client() as ann:

        @b.sio.event
        async def connect(sid, environ, auth):
            users[sid] = auth

        with observe(b.sio, user=users.get) as there, observe(ann) as here:
            await ann.connect(b.link.url, auth="ann", transports=["websocket"])
            await ann.disconnect()
            await b.wait_until(lambda: not there._servers[0].live("/"), "it is there")
            await b.sio.emit("news", 1)
            away = diagnose(there.message("news", 1, user="ann"))
            await ann.connect(b.link.url, auth="ann", transports=["websocket"])
            found = diagnose(there.message("news", 1, user="ann"))
            await ann.disconnect()
            both_ends = diagnose(there.message("news", 1, user="ann"), here.message("news", 1))
    assert away.seen.clues.connected is None
    assert found.letters == ("L1",)
    assert found.certain
    assert both_ends.seen.clues.connected is False


def test_a_cause_of_which_all_is_known_comes_before_one_with_an_open_condition():
    known = {"recipient": "client", "client": "javascript", "server": "javascript", "away": True}
    known |= {"connected": True, "before": True, "reached": 0, "reconnects": 1}
    found = diagnose((1, 0, 0, 0, None), **known, astray=False)
    assert found.letters == ("L1", "L10")
    assert [bool(suspect.open) for suspect in found.suspects] == [False, True]


# --- what only the other end can tell -----------------------------------------------------


async def test_a_client_alone_that_misses_a_message_suspects_nobody(apart):
    b, client, there, here = apart
    await b.connect(client)
    await b.sio.enter_room(client.get_sid(), "chat")
    await b.sio.emit("news", "hi", room="chat", skip_sid=client.get_sid())
    alone = diagnose(here.message("news", "hi"))
    assert alone.letters == ()
    assert alone.next[0].startswith("Observe the server as well")
    letters = ", ".join(suspect.cause.letter for suspect in alone.later)
    assert "L27" in letters
    assert f"Only the end that is not observed can tell: {letters}." in " ".join(str(alone).split())
    assert both("news", there, here).letters == ("L27",)


async def test_what_a_client_knows_by_itself_it_says_alone(apart):
    b, client, _, here = apart
    await b.connect(client)
    await b.cut()
    b.sio.on("connect", lambda *_: False)
    await b.link.cut()
    await b.wait_until(lambda: here.message("news", "hi").clues.rejected, "it is not rejected")
    assert diagnose(here.message("news", "hi")).letters[0] == "L15"


async def test_a_server_alone_does_not_tell_which_library_made_two_sessions():
    async with bench() as b, python_client() as one, python_client() as two:
        with observe(b.sio, user=lambda sid: "ann") as there:
            await b.connect(one)
            await two.connect(b.link.url)
            await b.sio.emit("news", "hi")
            await b.settled()
        found = diagnose(there.message("news", user="ann"))
    assert found.letters == ("D4", "D6", "D29")
    assert found.asks[0] == "grows"
    assert "One cause is left over" not in str(found)


async def test_two_payments_seen_at_the_server_alone_are_not_explained(apart):
    b, client, there, _ = apart
    b.sio.on("pay", lambda sid, sum: there.effect("pay", sum))
    await b.connect(client)
    for _again in range(2):
        await client.call("pay", 7)
    found = diagnose(there.message("pay"))
    assert found.letters == ()
    assert {suspect.cause.letter for suspect in found.later} >= {"D12", "D15"}
    assert "Observe the client as well" in found.next[1]
    assert "does not have yet" not in str(found)


async def test_a_room_that_nobody_was_ever_in_needs_no_reconnect(apart):
    b, client, there, here = apart
    sid = await b.connect(client)
    b.sio.enter_room(sid, "chat").close()  # nobody awaits it
    await b.sio.emit("news", "hi", room="chat")
    for found in (diagnose(there.message("news")), both("news", there, here)):
        assert found.findings[0].startswith("Nobody ever was in its room.")
        assert found.letters == ()
    await b.sio.enter_room(sid, "chat")
    await b.sio.leave_room(sid, "chat")
    await b.sio.emit("news", "there", room="chat")
    assert "Nobody ever was" not in str(diagnose(there.message("news", "there")))


async def test_a_room_that_nobody_was_ever_in_is_known_in_javascript_too():
    async with tab(None, SERVER) as server, tab(await server("url()"), PAGE + ASK) as page:
        await page("on('news')")
        await server("room('chat', 'news')")
        found = diagnose(await server("seen('news')"))
    assert found.findings[0].startswith("Nobody ever was in its room.")


async def test_a_session_that_ended_may_have_had_a_blocked_server(apart):
    b, client, there, _ = apart
    sid = await b.connect(client)
    await b.sio.emit("news", "hi")
    await client.disconnect()
    await b.gone([sid])
    closed = there.message("news").with_clues(reason="transport close")
    assert "A blocked process ends it so as well (L30)." in diagnose(closed).findings


async def test_of_overlapping_calls_the_order_is_questioned(apart):
    b, client, there, _ = apart
    free = asyncio.Event()

    @b.sio.event
    async def pay(sid, number):
        await free.wait()

    await b.connect(client)
    for each in (1, 2):
        await client.emit("pay", each)
    await b.wait_until(lambda: there.message("pay", 2).calls, "the second has not begun")
    free.set()
    assert diagnose(there.message("pay", 1)).findings[1].endswith("the last word (L18)?")


def test_a_server_remembers_the_last_sids_and_reasons():
    table = {}
    for each in range(10):
        remember(table, each % 7, each, keep=3)
    assert table == {0: 7, 1: 8, 2: 9}
    remember(table, 0, 10, keep=3)
    assert [*table] == [1, 2, 0]


async def test_what_a_busy_transport_dropped_was_not_sent():
    async with tab(None, SERVER) as server, tab(await server("url()"), PAGE + ASK) as page:
        await page("on('tick')")
        await server("tick(1, 2, 3)")
        found = diagnose(await server("named('tick', 3)"))
    assert found.seen.packets == 0
    assert found.letters[0] == "L12"


def test_an_unusual_cause_that_the_observed_end_can_tell_is_not_left_to_the_other():
    seen = Seen(3, None, 1, 3, who={"own": frozenset("a")})
    clues = {"recipient": "client", "client": "javascript", "reconnects": 2}
    found = diagnose(seen.with_clues(**clues))
    assert found.letters == ("D1", "D2", "D3", "D10")
    assert found.later == ()


# --- what one client alone is, and what is only late ------------------------------------------


async def test_one_client_on_several_connections_is_not_several_clients():
    code = PAGE + 'socket.on("sync", (ack) => ack());' + ASK
    async with bench() as b, tab(b.link.url, code) as page:

        @b.sio.event
        async def read(sid):
            await b.sio.emit("line", "1", to=sid)

        for again in range(3):
            await page("on('line')")
            await page("ask('read')")
            await b.settled()
            if again < 2:
                await b.cut()
        found = diagnose(await page("seen('line')"))
    assert found.seen.counters == (3, None, 3, 6, None)
    assert found.findings[0] == (
        "One packet meets 3 listeners: each of them is called. The message was sent 3 times."
    )
    assert not {"D4", "D6", "D7", "D29"} & set(found.letters)
    assert {"D1", "D3", "D10"} <= set(found.letters)


async def test_a_client_alone_tells_that_its_connections_are_of_one_client(apart):
    b, client, _, here = apart
    await b.connect(client)
    await b.sio.emit("news", "hi")
    await b.settled()
    await b.cut()
    await b.sio.emit("news", "hi")
    await b.settled()
    seen = here.message("news")
    assert (seen.packets, seen.clues.connections, seen.clues.clients) == (2, 2, 1)


def test_several_clients_are_told_in_whole_sentences():
    found = diagnose((2, 2, 4, 4, None), recipient="client")
    assert all("same One" not in finding and ".:" not in finding for finding in found.findings)


async def test_an_emit_for_one_of_two_sessions_is_said_so():
    async with bench() as b, python_client() as one, python_client() as two:
        with observe(b.sio, user=lambda sid: "ann") as there:
            for client in (one, two):
                await client.connect(b.link.url)
            await b.sio.emit("news", "hi", to=two.get_sid())
            await b.settled()
        found = diagnose(there.message("news", user="ann"))
    assert found.findings[0] == "Live sids: 2; its packets went to 1 of them, whose sid it names."
    assert found.suspects == ()


async def test_what_was_acknowledged_was_handled(apart):
    b, client, _, here = apart
    b.sio.on("order", lambda sid, text: "done")
    await b.connect(client)
    await client.call("order", "tea")
    found = diagnose(here.message("order"))
    assert found.findings == ("All that was counted is 1: it was handled, and acknowledged.",)
    assert "I cannot tell" not in str(found)


async def test_a_room_that_was_left_needs_no_reconnect(apart):
    b, client, there, here = apart
    sid = await b.connect(client)
    await b.sio.enter_room(sid, "chat")
    await b.sio.leave_room(sid, "chat")
    await b.sio.emit("news", "bye", room="chat")
    found = diagnose(there.message("news"))
    assert found.letters == ()
    left = "leave_room() or close_room() has emptied the room 'chat': no session has ended."
    assert left in found.findings
    assert left in both("news", there, here).findings


async def test_an_answer_to_who_handles_it_tells_no_less_than_a_handler_would(apart):
    b, client, there, _ = apart
    await b.connect(client)
    found = diagnose(there.message("order"), recipient="server")
    assert found.findings[0] == "Nothing of it came; whether it was sent was not counted."
    assert found.seen.calls == 0


async def test_what_only_the_sender_can_tell_is_left_to_it(apart):
    b, client, there, _ = apart
    b.sio.on("order", lambda sid, text: None)
    await b.connect(client)
    found = diagnose(there.message("order"))
    assert found.letters == ()
    assert "L22" in [suspect.cause.letter for suspect in found.later]


async def test_a_handler_that_still_runs_may_hold_up_what_follows(apart):
    b, client, there, _ = apart
    free = asyncio.Event()
    b.sio.async_handlers = False

    @b.sio.event
    async def report(sid):
        await free.wait()

    b.sio.on("order", lambda sid, text: None)
    await b.connect(client)
    await client.emit("report")
    await client.emit("order", "tea")
    await b.wait_until(lambda: there.message("report").calls, "the first has not begun")
    found = diagnose(there.message("order"))
    free.set()
    assert found.letters == ()
    held = 'A handler of "report" is still running: does it hold up what follows (L30)?'
    assert held in found.findings


def test_what_has_arrived_and_waits_is_asked_for_again():
    seen = Seen(1, 1, 1, 0).with_clues(recipient="server", arrived=True, server="python")
    found = diagnose(seen)
    assert found.findings[0] == "It arrived, and no handler ran for it."
    assert found.next[0].startswith("Ask again in a while")
    assert "does not have yet" not in str(found)


def test_of_a_handler_that_raised_no_other_cause_is_sought():
    known = {"recipient": "client", "client": "python", "early": False, "overlapped": False}
    found = diagnose((1, 1, 1, 1, 0), failed=True, always=False, **known)
    assert "raised an exception" in " ".join(found.findings)
    assert "does not have yet" not in str(found)


async def test_a_connection_is_no_message_that_was_lost():
    async with bench() as b, tab(b.link.url, PAGE + ASK) as page:
        await page("on('connect')")
        text = await page("seen('connect')")
    found = diagnose(text)
    assert found.seen.listeners == 1
    assert found.suspects == found.ruled_out == ()
    assert "it is connected" in found.findings[0]
    assert not any("emit" in step for step in found.next)


@pytest.mark.parametrize("always", [True, False])
def test_why_a_handler_has_no_effect_no_count_can_tell(always):
    clues = {"recipient": "server", "server": "python", "overlapped": False, "away": False}
    found = diagnose((1, 1, 1, 1, 0), client="python", always=always, **clues)
    assert found.suspects
    assert not found.certain
    assert found.next[0].startswith("Does its handler return")


def test_that_an_emit_left_out_all_who_were_there_is_said_so():
    clues = {"recipient": "client", "emitted": 1, "reached": 0}
    for skipped in (True, False):
        found = diagnose((1, 1, 0, 0, None), skipped=skipped, **clues)
        assert ("It left out all who were there." in found.findings) is skipped


def test_what_was_kept_until_the_client_was_back_is_no_copy():
    clues = {"recipient": "server", "client": "javascript", "away": True, "emitted": 1}
    found = diagnose(Seen(packets=1).with_clues(**clues))
    assert (
        "It was emitted while the client was away, and sent when that was back." in found.findings
    )


async def test_a_listener_in_another_namespace_is_cause_enough(apart):
    b, client, there, _ = apart
    b.sio.on("hello", lambda sid: None, namespace="/chat")
    await b.connect(client)
    await client.emit("hello")
    await client.call("sync")
    found = diagnose(there.message("hello", namespace="/"))
    assert "It is listened to in /chat." in found.findings
    assert "does not have yet" not in str(found)


def test_what_the_program_emits_only_while_it_is_away_is_not_sent_by_two_buffers():
    known = {"recipient": "server", "client": "javascript", "reconnects": 1, "connections": 1}
    known |= {"emitted": 3, "away": True, "always": False, "ids": False}
    only_away = diagnose(Seen(packets=3).with_clues(here=False, **known))
    assert not only_away.certain
    assert "D12" not in only_away.letters
    assert diagnose(Seen(packets=3).with_clues(here=True, **known)).letters[0] == "D12"


@pytest.mark.parametrize("observer", ["python", "javascript"])
async def test_whether_a_client_was_there_is_told_of_all_calls_of_emit(observer):
    async with bench() as b, tab(b.link.url, PAGE + ASK) as page, python_client() as client:
        with observe(client) as here:
            if observer == "python":
                with pytest.raises(socketio.exceptions.BadNamespaceError):
                    await client.emit("order", "tea")
                told = [here.message("order")]
                await b.connect(client)
                await client.emit("order", "tea")
                await client.disconnect()
                with pytest.raises(socketio.exceptions.BadNamespaceError):
                    await client.emit("order", "tea")
                told.append(here.message("order"))
            else:
                await page("leave()")
                await page("say('order', 'tea')")
                told = [Seen.of(await page("seen('order')"))]
                await page("enter()")
                await page("say('order', 'tea')")
                await page("leave()")
                await page("say('order', 'tea')")
                told.append(Seen.of(await page("seen('order')")))
    assert [seen.clues.here for seen in told] == [False, True]


async def test_what_goes_to_other_users_too_is_said_so():
    async with bench() as b, python_client() as one, python_client() as two:
        with observe(b.sio, user=lambda sid: sid) as there:
            for client in (one, two):
                await client.connect(b.link.url)
            await b.sio.emit("news", "hi")
            await b.settled()
        found = diagnose(there.message("news", user=two.get_sid()))
    assert "emit() was for 2 sessions: those of other users too." in found.findings


def test_of_a_session_too_many_it_is_asked_whether_its_client_is_gone():
    clues = {"recipient": "client", "server": "python", "whose": True, "connections": 2}
    found = diagnose(Seen(sids=2, packets=2).with_clues(**clues))
    assert any("gone=" in step for step in found.next[:2])


def test_what_was_not_answered_asks_first_whether_its_handler_answers():
    clues = {"recipient": "client", "acknowledged": True, "answered": False, "emitted": 1}
    found = diagnose(Seen(sids=1, packets=1).with_clues(**clues))
    assert found.next[0].startswith("Does its handler answer")
    lost = diagnose(
        Seen(listeners=1, sids=1, packets=1, calls=0).with_clues(arrived=False, **clues)
    )
    assert not any("Does its handler answer" in step for step in lost.next)


@pytest.mark.parametrize(
    ("counters", "clues"),
    [
        ((None, None, 0, None, None), {"early": True, "away": True, "raised": True}),
        ((0, 1, 1, 0, None), {"once": True, "worked": True, "arrived": True}),
        ((1, 1, 1, 0, None), {"arrived": True, "server": "javascript"}),
    ],
)
def test_a_finding_that_says_why_needs_no_cause(counters, clues):
    found = diagnose(counters, recipient="server", **clues)
    assert found.explained
    assert "does not have yet" not in str(found)
    assert "I cannot tell. " not in str(found)


async def test_what_a_page_sends_again_without_waiting_is_no_retry():
    async with bench() as b, tab(b.link.url, PAGE + ASK) as page:
        b.sio.on("order", lambda sid, text: None)
        b.sio.on("pay", lambda sid, text: "done")
        for _ in range(2):
            await page("say('order', 'tea')")
            await page("ask('pay', 'tea')")
        said, asked = [Seen.of(await page(f"seen('{event}')")) for event in ("order", "pay")]
    assert (said.clues.acknowledged, asked.clues.acknowledged) == (False, True)
    found = diagnose(said, always=False)
    assert found.suspects == ()
    assert any(finding.startswith("The program called it in") for finding in found.findings)
    assert "does not have yet" not in str(found)


async def test_a_sid_in_bytes_is_another_room(apart):
    b, client, there, _ = apart
    sid = await b.connect(client)
    await b.sio.emit("news", "hi", to=sid.encode())
    assert diagnose(there.message("news")).findings[0].startswith("A room is written like b'")


async def test_that_an_emit_left_out_one_of_several_is_said_so():
    async with bench() as b, python_client() as one, python_client() as two:
        with observe(b.sio) as there:
            for client in (one, two):
                await client.connect(b.link.url)
            await b.sio.emit("news", "hi", skip_sid=one.get_sid())
            await b.settled()
        found = diagnose(there.message("news"))
    assert "It left somebody out, as socket.to() and skip_sid do with a sender." in found.findings


async def test_a_page_server_says_that_it_tells_users_apart():
    code = SERVER.replace("observe(server)", "observe(server, { user: () => 'ann' })")
    async with tab(None, code) as server, tab(await server("url()"), PAGE + ASK) as page:
        await page("on('news')")
        await server("tell('news', 1)")
        await page("ask('sync')")
        assert Seen.of(await server("seen('news')")).clues.whose is True


async def test_an_emit_of_a_page_that_raises_is_said_so():
    async with bench() as b, tab(b.link.url, PAGE + ASK) as page:
        with pytest.raises(SnippetError, match="reserved"):
            await page("say('disconnect')")
        found = diagnose(await page("seen('disconnect')"))
    assert found.seen.clues.raised is True
    assert any(finding.startswith("emit() raised an exception") for finding in found.findings)
    assert "does not have yet" not in str(found)
    assert "I cannot tell" not in str(found)


async def test_a_listener_of_a_javascript_server_that_throws_has_not_handled_it():
    async with tab(None, SERVER) as server, tab(await server("url()"), PAGE + ASK) as page:

        async def say(event):
            await page(f"say('{event}')")  # the listener calls an acknowledgement
            await page("ask('enter')")

        await page("ask('enter')")
        with pytest.raises(SnippetError, match="ack is not a function"):
            await say("turn")
        turn = Seen.of(await server("seen('turn', 'server')"))
        enter = Seen.of(await server("seen('enter')"))
    assert (turn.clues.failed, enter.clues.failed) == (True, None)
    found = diagnose(turn)
    assert found.findings[0] == "It came once, and was not handled."
    assert "Its sender asks for no acknowledgement: there is no function to call." in found.findings


async def test_what_a_client_sent_before_it_left_may_be_lost():
    async with bench() as b, tab(b.link.url, PAGE + ASK) as page:
        await page("say('order', 'tea')")
        stays = diagnose(await page("seen('order')"))
        await page("leave()")
        left = diagnose(await page("seen('order')"))
    assert not any("client disconnect" in finding for finding in stays.findings)
    assert left.findings[0] == "It was sent; whether it was handled was not counted."
    assert 'The client\'s last connection ended with "io client disconnect".' in left.findings


async def test_a_session_that_is_not_in_the_room_is_told_from_a_sender_that_is_left_out():
    async with bench() as b, python_client() as one, python_client() as two:
        with observe(b.sio) as there:
            for client in (one, two):
                await client.connect(b.link.url)
            await b.sio.enter_room(one.get_sid(), "game")
            await b.sio.emit("turn", 1, room="game", skip_sid=one.get_sid())
            away = diagnose(there.message("turn"))
            await b.sio.enter_room(two.get_sid(), "game")
            await b.sio.emit("turn", 2, room="game", skip_sid=[one.get_sid(), two.get_sid()])
            out = diagnose(there.message("turn"))
    said = "Live sids not in its room: 1."
    assert any(finding.startswith(said) for finding in away.findings)
    assert "It left out all who were there." in out.findings
    assert not any("not in its room" in finding for finding in out.findings)


def test_where_nothing_can_be_an_id_none_is_compared():
    clues = {"recipient": "server", "client": "javascript", "emitted": 2, "acknowledged": True}
    plain, numbered = [
        diagnose(Seen(1, 1, 2, 2, args=args).with_clues(**clues, connections=1))
        for args in ('[{"text":"I agree"}]', '[{"text":"I agree","n":7}]')
    ]
    assert (plain.seen.clues.ids, numbered.seen.clues.ids) == (False, None)
    assert not {"D23", "D24"} & set(plain.letters)
    assert {"D23", "D24"} <= set(numbered.letters)


async def test_what_waits_for_another_handler_is_asked_for_again_first(apart):
    b, client, there, _ = apart
    began, goes_on = asyncio.Event(), asyncio.Event()

    async def job(sid):
        began.set()
        await goes_on.wait()

    b.sio.on("job", job)
    b.sio.on("stop", lambda sid: None)
    await b.connect(client)
    await client.emit("job")
    await asyncio.wait_for(began.wait(), 5)
    found = diagnose(there.message("stop", recipient="server"))
    goes_on.set()
    assert found.next[0].startswith("Ask again in a while")


@pytest.mark.parametrize(("library", "said"), [("python", True), ("javascript", False)])
def test_what_asyncio_needs_is_not_told_of_javascript(library, said):
    clues = {"recipient": "client", "server": library}
    empty = Seen(sids=1, packets=0).with_clues(**clues, emitted=1, reached=0, room="x")
    idle = Seen(sids=1, packets=0).with_clues(**clues, emitted=0, kin=False)
    for found in (diagnose(empty, vacant=True, astray=False), diagnose(idle)):
        assert ("In asyncio" in str(found)) is said


# --- what waits, and what is dropped ------------------------------------------------------


def test_what_may_wait_for_another_handler_is_not_certainly_lost():
    clues = {"recipient": "server", "server": "python", "client": "python", "emitted": 1}
    clues |= {"raised": False, "arrived": False, "connected": True, "before": True, "reason": ""}
    waits = Seen(1, 1, 1, 0).with_clues(**clues, large=False, queued=0, busy="record")
    found = diagnose(waits)
    assert not found.certain
    assert "it waits there, or was lost" in found.findings[0]
    assert found.next[0].startswith("Ask again in a while")


def test_what_no_end_of_a_connection_explains_is_not_certainly_lost():
    clues = {"recipient": "server", "server": "python", "client": "python", "emitted": 1}
    clues |= {"raised": False, "arrived": False, "connected": True, "before": True}
    sent = Seen(1, 1, 1, 0).with_clues(**clues, large=False, queued=0)
    open_still = diagnose(sent, reason="")
    assert not open_still.certain
    assert open_still.next[0].startswith("Ask again in a while")
    cut = diagnose(sent, reason="transport close")
    assert cut.letters == ("L2",)
    assert cut.certain


@pytest.mark.parametrize("sends", ["client", "server"])
async def test_an_emit_in_another_event_loop_is_told(apart, sends):
    b, client, there, here = apart
    b.sio.on("order", lambda sid, text: None)
    await b.connect(client)
    end, event = (client, "order") if sends == "client" else (b.sio, "news")
    await end.emit(event, "at home")
    await asyncio.to_thread(lambda: asyncio.run(end.emit(event, "from a thread")))
    await b.settled()
    home, away = (both(event, there, here), diagnose(here.message(event, "at home")))[::-1]
    assert home.seen.clues.other_loop is (False if sends == "client" else None)
    assert "run_coroutine_threadsafe" in " ".join(away.findings)
    waits = away.seen.with_clues(arrived=False)
    assert diagnose(Seen(1, 1, 1, 0, clues=waits.clues)).suspects == ()  # nothing was lost


async def test_who_has_left_a_room_does_not_get_what_it_is_told(apart):
    b, client, there, here = apart
    async with python_client() as other:
        for each in (other, client):
            await b.sio.enter_room(await b.connect(each), "red")
        await b.sio.leave_room(client.get_sid(), "red")
        await b.sio.emit("news", "somebody has left", room="red")
        await b.settled()
        found = both("news", there, here)
        await b.sio.enter_room(client.get_sid(), "red")
        await b.sio.emit("news", "again", room="red", skip_sid=client.get_sid())
        back = both("news", there, here)
    said = "It has left that room, by leave_room() or socket.leave()."
    assert said in found.findings
    assert found.suspects == ()
    assert said not in back.findings


async def test_who_has_left_a_room_of_a_javascript_server_is_told_likewise():
    async with tab(None, SERVER) as server:
        url = await server("url()")
        async with tab(url, PAGE + ASK) as ann, tab(url, PAGE + ASK) as bob:
            await ann("on('news')")
            await ann("ask('enter')")
            await server("leave('game')")
            await bob("ask('enter')")
            await server("room('game', 'news')")
            found = diagnose(await server("seen('news')"), await ann("seen('news')"))
            never = diagnose(await server("seen('news')"), await bob("seen('news')"))
    assert "It has left that room, by leave_room() or socket.leave()." in found.findings
    assert found.suspects == ()
    assert "It has left" not in str(never)


async def test_a_session_of_somebody_else_is_none_of_the_observed_client(apart):
    b, client, there, here = apart
    async with python_client() as other:
        await b.connect(client)
        await b.sio.emit("news", "running")
        await b.connect(other)
        await b.sio.emit("news", "running")
        await b.settled()
        found = both("news", there, here)
    assert "The message was sent 2 times." in found.findings
    assert "D5" not in found.letters


async def test_what_comes_with_the_disconnect_is_dropped_by_a_javascript_server():
    goes = """server.on("connection", (socket) => socket.onAny((event) => {
  if (event === "say") socket.disconnect();
}));
return {
  url"""
    code = SERVER.replace("return {\n  url", goes)
    async with tab(None, code) as server, tab(await server("url()"), PAGE + ASK) as page:
        await page("burst('join')")
        await page("ask('sync')")
        await page("burst('say')")
        await server("left()")
        found = diagnose(await server("seen('say')"))
    assert found.seen.counters == (1, 1, 1, 0, None)
    assert found.letters == ("L17",)
    assert found.certain
    assert "socket.use()" not in str(found)


async def test_two_patterns_are_two_namespaces_and_one_takes_the_clients():
    code = SERVER.replace(
        "const seen = observe(server)",
        "server.of(/^.shop/).use((socket, next) => { socket.onAny((_, ack) => ack()); next(); });\n"
        'server.of(/^.shop/).on("connection", (socket) => socket.on("say", () => {}));\n'
        "const seen = observe(server)",
    )
    page_code = PAGE.replace("io(url, fast)", 'io(url + "/shop", fast)') + ASK
    async with tab(None, code) as server, tab(await server("url()"), page_code) as page:
        await page("ask('say')")
        found = diagnose(await server("seen('say')"))
    assert found.seen.clues.welcomed is False
    assert "called twice, makes two" in found.findings[1]
    assert found.suspects == found.ruled_out == ()


async def test_reconnect_is_an_event_of_the_manager():
    async with bench() as b, tab(b.link.url, PAGE + ASK) as page:
        await page("on('reconnect')")
        await b.cut()
        found = diagnose(await page("seen('reconnect')"))
        assert 'socket.io.on("reconnect"' in found.findings[0]
        assert found.suspects == ()
        assert not any("Observe" in step for step in found.next)
        await b.sio.emit("reconnect", "of the program")
        await b.settled()
        assert diagnose(await page("seen('reconnect')")).seen.calls == 1


# --- connections that are not made yet ----------------------------------------------------


async def test_a_session_whose_connect_handler_runs_has_not_ended(apart):
    b, client, there, here = apart
    free = asyncio.Event()

    @b.sio.event
    async def connect(sid, environ):
        await b.sio.emit("tick")
        await free.wait()

    client.handlers["/"].clear()
    await client.connect(b.link.url, transports=["websocket"], wait=False)
    await b.wait_until(lambda: there.message("tick").packets, "the handler has not begun")
    found = [diagnose(there.message("tick")), both("tick", there, here)]
    handler = diagnose(there.message("connect"))
    free.set()
    for each in found:
        assert each.findings[0].startswith("The connect handler still runs")
        assert each.suspects == ()
        assert "has ended" not in str(each)
    assert "Its handler is still running." in handler.findings


async def test_a_connect_handler_that_takes_other_arguments_is_said_so(apart):
    b, client, there, here = apart
    client.on("connect", lambda: None)

    @b.sio.event
    async def connect(sid):
        pass

    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(b.link.url, transports=["websocket"], wait_timeout=0.5)
    found = diagnose(there.message("connect"))
    assert "Its handler raised an exception, or does not take its arguments." in found.findings
    found = diagnose(here.message("connect"))
    assert "If it takes other arguments, it does." in str(found).replace("\n", " ")
    assert found.suspects == ()


# --- rooms, and sids that are rooms -------------------------------------------------------


async def test_the_sid_of_a_session_in_another_namespace_is_told(apart):
    b, client, there, _ = apart
    b.sio.on("hello", lambda sid: None, namespace="/edge")
    await b.connect(client, namespaces=["/", "/edge"])
    await b.sio.emit("news", "hi", to=client.get_sid("/edge"))
    found = diagnose(there.message("news"))
    said = "That is the sid of a session in another namespace: each has its own."
    assert said in found.findings
    await b.sio.emit("news", "again", to=client.get_sid())
    await b.settled()
    assert said not in diagnose(there.message("news")).findings


SELF = """server.on("connection", (socket) => {
  socket.on("me", (ack) => { socket.to(socket.id).emit("me"); ack(); });
});
"""


async def test_a_socket_that_emits_to_its_own_sid_leaves_out_itself():
    code = SERVER.replace("return {\n  url:", f"{SELF}return {{\n  url:")
    async with tab(None, code) as server, tab(await server("url()"), PAGE + ASK) as page:
        await page("ask('me')")
        found = diagnose(await server("seen('me', 'client')"))
        await server("room('nowhere', 'me')")
        other = diagnose(await server("seen('me', 'client')"))
    assert found.findings[0].startswith("It left out the one session that it was for")
    assert found.suspects == ()
    assert "L5" not in str(found)
    assert "It left out" not in str(other)


async def test_who_has_left_one_of_several_rooms_is_told(apart):
    b, client, there, here = apart
    await b.connect(client)
    await b.sio.enter_room(client.get_sid(), "red")
    await b.sio.leave_room(client.get_sid(), "red")
    await b.sio.emit("news", "hi", to=["blue", "red"])
    found = both("news", there, here)
    assert "It has left that room, by leave_room() or socket.leave()." in found.findings
    assert "Nobody ever was in its room" not in str(found)
    await b.sio.emit("news", "hi", to=["green", "Red!"])
    assert "Nobody ever was in its room" in str(diagnose(there.message("news")))


async def test_for_how_many_rooms_emit_was_called_is_told(apart):
    b, client, there, _ = apart
    await b.connect(client)
    for room in ("red", "blue"):
        await b.sio.enter_room(client.get_sid(), room)
        await b.sio.emit("news", "hi", room=room)
    await b.settled()
    assert "Calls of emit() for it: 2, for 2 rooms." in diagnose(there.message("news")).findings


# --- listeners that add up, and calls that wait -------------------------------------------


async def test_listeners_that_add_up_without_a_reconnect_are_not_of_one():
    async with bench() as b, tab(b.link.url, PAGE + ASK) as page:
        for number in (1, 2):
            await page("on('news')")
            await b.sio.emit("news", number)
            await page("ask('sync')")
        found = diagnose(await page("seen('news')"))
    assert found.seen.clues.grows is False
    assert found.letters == ("D3", "D10")
    assert found.certain


async def test_a_message_before_the_first_reconnect_is_compared():
    async with bench() as b, python_client(EmitterClient) as client:
        client.on("connect", lambda: client.on("news", lambda *_: None))
        with observe(client) as here:
            await b.connect(client)
            await b.sio.emit("news", 1)
            await b.settled()
            await b.cut()
            await b.sio.emit("news", 2)
            await b.settled()
    assert here.message("news").clues.grows is True


async def test_what_began_as_a_long_call_ended_may_have_waited(apart, monkeypatch):
    b, client, _, here = apart
    now = 0.0
    monkeypatch.setattr("sio_demo.diagnosis.tally.monotonic", lambda: now)

    def run():
        nonlocal now
        now += 3

    client.on("run", run)
    await b.connect(client)
    await b.sio.emit("run")
    await b.sio.emit("news", 1)
    await b.settled()
    now += 3
    await b.sio.emit("news", 2)
    await b.settled()
    said = 'A long call of "run" ended just before: did it wait for that (L30)?'
    assert said in diagnose(here.message("news", 1)).findings
    assert said not in diagnose(here.message("news", 2)).findings


def test_a_sender_that_waits_for_an_answer_may_ask_again():
    known = {"recipient": "server", "acknowledged": True, "answered": False, "emitted": 1}
    for reason, asked in (("", True), ("ping timeout", False)):
        found = diagnose((None, None, 1, None, None), reason=reason, **known)
        assert any(step.startswith("Ask again in a while") for step in found.next) is asked


async def test_a_sid_that_one_variable_keeps_for_all_is_told(apart):
    b, client, there, here = apart
    await b.connect(client)
    async with python_client() as last:
        await last.connect(b.link.url)
        await b.sio.emit("news", "hi", to=last.get_sid())
        await b.settled()
        alone, found = diagnose(there.message("news")), both("news", there, here)
    assert alone.findings[0] == "Live sids: 2; its packets went to 1 of them, whose sid it names."
    assert found.findings[0] == (
        "It was for the sid of another session: does one variable keep the last one for all?"
    )
    assert "No cause of the atlas fits" not in str(found)


async def test_a_socket_that_one_variable_keeps_for_all_is_told():
    async with tab(None, SERVER) as server:
        url = await server("url()")
        async with tab(url, PAGE + ASK) as ann, tab(url, PAGE + ASK) as bob:
            await ann("on('news')")
            await bob("ask('sync')")
            await server("last('news')")
            await bob("ask('sync')")
            await ann("ask('sync')")
            found = diagnose(await server("seen('news')"), await ann("named('news')"))
    assert found.findings[0].startswith("It was for the sid of another session")


async def test_what_each_of_several_connections_emits_for_all_is_told(apart):
    b, client, there, _ = apart
    await b.connect(client)
    async with python_client() as other:
        await other.connect(b.link.url)
        for _ in there.message("news").who["live"]:
            await b.sio.emit("news", "hi")
        await b.settled()
        found = diagnose(there.message("news"))
    said = "Calls of emit() for it: 2, each for 2 sessions: does each connection emit it, for all?"
    assert found.findings[0] == said


async def test_what_is_emitted_by_a_blocked_process_may_be_late(apart, monkeypatch):
    b, client, there, here = apart
    now = 0.0
    monkeypatch.setattr("sio_demo.diagnosis.tally.monotonic", lambda: now)
    await b.connect(client)
    await b.sio.emit("news", 1)
    now += 3
    await b.sio.emit("news", 2)
    await b.settled()
    await b.sio.emit("news", 3)
    await b.settled()
    said = "The process that emitted it was blocked just then: what it sends waits (L30)."
    for number, late in ((1, True), (2, True), (3, False)):
        found = diagnose(there.message("news", number), here.message("news", number))
        assert (said in found.findings) is late


async def test_what_a_blocked_server_in_javascript_emits_may_be_late():
    async with tab(None, SERVER) as server, tab(await server("url()"), PAGE + ASK) as page:
        await page("ask('sync')")
        await server("block(300)")
        await server("tell('tick', 3)")
        await page("ask('sync')")
        late = [(await server(f"named('tick', {n})")).count('"held":true') for n in (1, 2, 3)]
    assert late == [1, 1, 0]


def test_a_ping_timeout_of_a_blocked_process_is_no_certain_outage():
    clues = {"recipient": "client", "arrived": False, "raised": False, "reason": "ping timeout"}
    found = diagnose((1, 1, 1, 0, None), before=True, volatile=False, held=True, **clues)
    assert not found.certain


async def test_a_broadcast_that_asks_without_a_timeout_is_told():
    async with tab(None, SERVER) as server, tab(await server("url()"), PAGE + ASK) as page:
        await page("ask('sync')")
        for wait, told in (("", True), ("2000", False)):
            await server(f"poll({wait})")
            await page("ask('sync')")
            found = diagnose(await server("seen('news')"))
            assert ("timeout(5000)" in str(found)) is told


async def test_listeners_that_are_the_same_function_are_told():
    async with tab(None, SERVER) as server, tab(await server("url()"), PAGE + ASK) as page:
        for _ in range(3):
            await page("on('news')")
        await server("tell('news')")
        await page("ask('sync')")
        found = diagnose(await page("seen('news')"))
    assert found.findings[1] == "Some are the same, or written the same: what calls on() again?"


def test_two_snapshots_of_one_client_are_not_two_clients():
    client = Seen(1, None, 1, 1, who={"own": frozenset({"a"})}).with_clues(recipient="client")
    later = Seen(1, None, 2, 2, who={"own": frozenset({"a"})}).with_clues(recipient="client")
    assert diagnose(client, later).seen.counters == (1, None, 2, 2, None)


async def test_the_room_of_an_emit_may_be_given_by_its_place(apart):
    b, client, there, _ = apart
    await b.connect(client)
    await b.sio.emit("news", "hi", "chat")
    assert there.message("news").clues.room == "'chat'"


async def test_a_server_alone_counts_what_has_attachments(apart):
    b, client, there, _ = apart
    await b.connect(client)
    await b.sio.emit("news", b"bytes")
    await b.settled()
    assert there.message("news", b"bytes").packets == 1


def test_an_emit_that_ends_after_its_loop_has_closed_harms_nobody():
    tally = Tally(lambda *each: each, keep=10)

    async def begin():
        return tally.emitted(tally.name("client", "/", "news", None, ()))

    emits, ended = asyncio.run(begin())
    ended(GeneratorExit())
    assert emits.clues == {"raised": True}


@pytest.mark.parametrize("late", [False, True])
async def test_sids_whose_disconnect_handler_raised_are_in_no_session(late):
    async with bench() as b, python_client() as ann:
        users = {}

        @b.sio.event
        async def connect(sid, environ, auth):
            users[sid] = auth["user"]
            await b.sio.enter_room(sid, auth["user"])

        @b.sio.event
        async def disconnect(sid, reason):
            raise KeyError(sid)

        ann.on("news", lambda text: None)
        with observe(b.sio, user=users.get) as before:
            for _ in range(3):
                await b.connect(ann, auth={"user": "ann"})
                await ann.disconnect()
                await b.wait_until(lambda: not b.sio.eio.sockets, "the server notices")
            await b.sio.emit("news", "one", room="ann")
            alone = before.message("news")
            await b.connect(ann, auth={"user": "ann"})
            with observe(b.sio, user=users.get) as after:
                await b.sio.emit("news", "two", room="ann")
                both = (after if late else before).message("news", user="ann")
    assert (alone.clues.reached, both.clues.reached) == (0, 1)
    words = "Sids in its room whose sessions have ended: 3."
    for seen in (alone, both):
        assert words in str(diagnose(seen))
    assert "those of other users" not in str(diagnose(both))


@pytest.mark.parametrize("wait", [True, False])
async def test_a_namespace_that_the_server_does_not_have_is_not_waited_for(wait):
    async with bench() as b, python_client() as client:
        b.sio.on("upload", lambda sid, data: None, namespace="/resource")
        with observe(b.sio, client) as seen:
            options = {"namespaces": ["/resource/"], "transports": ["websocket"], "wait": wait}
            with suppress(socketio.exceptions.ConnectionError):
                await client.connect(b.link.url, **options)
            with pytest.raises(socketio.exceptions.BadNamespaceError):
                await client.emit("upload", 1, namespace="/resource/")
            await b.wait_until(
                lambda: seen.message("upload").clues.rejected, "it hears the refusal"
            )
            found = diagnose(seen.message("upload"))
    assert "The other end listens for it in /resource." in found.findings
    assert "The server has rejected the client" in str(found)
    assert "wait for that" not in str(found)


async def test_that_its_sender_listens_to_an_event_is_no_clue_to_where_it_should_go(apart):
    b, client, _, _ = apart
    client.on("order", lambda: None)
    with observe(b.sio, client) as seen:
        await b.connect(client)
        await client.emit("order", "tea")
        await b.settled()
    assert seen.message("order", recipient="server").clues.listens is None


async def test_a_server_that_ends_every_connection_is_told(apart):
    b, client, there, here = apart
    ended = []

    @b.sio.event
    async def channels(sid):
        await b.sio.disconnect(sid)
        ended.append(sid)

    for times in (1, 2, 3):
        await b.connect(client)
        await client.emit("channels")
        await b.wait_until(lambda n=times: len(ended) == n, "the server has ended it")
        await b.wait_until(lambda: client.eio.state == "disconnected", "the client hears of it")
    found = both("channels", there, here)
    assert found.seen.counters == (1, 1, 3, 3, None)
    assert 'The client\'s last connection ended with "server disconnect".' in found.findings


async def test_one_namespace_that_the_server_has_ended_is_not_connected(apart):
    b, client, there, here = apart
    b.sio.namespaces = "*"
    await b.connect(client, namespaces=["/", "/time"])
    await b.sio.disconnect(client.get_sid("/"))
    await b.wait_until(lambda: "/" not in client.namespaces, "the client hears of it")
    await b.sio.emit("news", "one")
    found = both("news", there, here)
    assert (found.letters[0], found.seen.clues.connected) == ("L19", False)
    assert "L1" not in found.letters
    await b.sio.emit("news", "two", namespace="/time")
    assert both("news", there, here, namespace="/time").seen.clues.connected is True

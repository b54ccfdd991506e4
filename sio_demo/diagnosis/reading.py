"""What the five counters of a message mean: which is the odd one, and of which pattern that is.

They are products of a few factors that are 1 when all is well, so one often explains all five.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations, product
from typing import Any, get_args

from ..causes import FINDINGS
from .seen import Recipient, Seen


def read(seen: Seen) -> tuple[dict[str, int], list[str], int, bool]:
    """Return patterns with numbers (0 if lost), findings, how many stories, and if they say why."""
    one, words = of_one_client(seen)
    if words:
        found, findings, stories, explained = read(one)
        return found, [words, *(findings if any(one.counters) else ())], stories, explained
    c, event = seen.clues, seen.clues.event or ""
    ours = (c.client, c.recipient) == ("javascript", "client") and not c.emitted
    if ours and event.startswith("reconnect") and not seen.packets:
        words = f'"{event}" is of the Manager, not of the socket: socket.io.on("{event}", …).'
        return {}, [words], 0, True
    unsent = seen.sids == 0 and seen.packets and c.arrived is not False
    if 0 in (seen.sids, seen.packets, seen.listeners) and (seen.calls or unsent):
        words = "These counters contradict each other: count all five for one message."
        return {}, [words], 0, False
    lost = _lost(seen)[: 1 if c.failed or c.welcomed is False else None]  # that is why
    aim, room = (c.vacant, c.astray), c.room
    awaited = " In asyncio, enter_room() is to be awaited." * (c.server != "javascript")
    emptied = room and aim == (False, False) and (c.whose, c.reason) == (None, "")
    rooms = {
        "It left out the one session that it was for, as socket.to() does with its own: "
        "io.to() does not.": c.sid == "skipped",
        "It was for the sid of another session: does one variable keep the last one for all?": (
            c.sid == "live" and c.reached == 0
        ),
        f"A room is written like {room}, and is another: 7 is not '7'.": c.lookalike,
        f"leave_room() or close_room() has emptied the room {room}: no session has ended.": emptied,
        f"Nobody ever was in its room.{awaited}": seen.sids and aim == (True, False),
    }
    lost = next(((words,) for words, holds in rooms.items() if lost and holds), lost)
    found, findings = (dict.fromkeys(lost[1:], 0), [lost[0]]) if lost else _multiplied(seen)
    if seen.clues.alike is False and found.pop("listeners", 0):
        findings.append("They are different functions: each may be meant to be called.")
    stories = len(found) if lost else len(findings)
    if seen.apart:
        findings.insert(0, f"It is {seen.args}; what came last is {', '.join(seen.apart)}.")
    if found and seen.effects == 1:
        findings.append("Its effect is there once all the same.")
    facts, explained = _facts(seen, bool(lost))
    explained |= len(lost) == 1 and seen.clues.recipient is not None
    return found, findings + facts, stories, explained


def of_one_client(seen: Seen) -> tuple[Seen, str]:
    """Return it without the sids and packets of others where they can be told, and why."""
    sids, packets, clues = seen.sids or 0, seen.packets or 0, seen.clues
    emitted, reached, got = clues.emitted or 0, clues.reached or 0, clues.connections or sids
    to_client = clues.recipient == "client" and seen.calls != 0
    if packets and got < sids and (to_client or clues.recipient == "server"):
        way = "its packets went to" if to_client else "it came from"
        named = ", whose sid it names" * (to_client and clues.sid == "live")
        words = f"Live sids: {sids}; {way} {got} of them{named}."
        return replace(seen, sids=got, clues=replace(clues, strangers=None)), words
    if not to_client or sids < 2 or clues.strangers == 0:
        return seen, ""
    each = seen.calls in (None, emitted * (seen.listeners or 1))
    if emitted > 1 and reached > 1 and packets == emitted * reached and each:
        all_alike = ": does each connection emit it, for all?" if emitted == reached else "."
        words = f"Calls of emit() for it: {emitted}, each for {reached} sessions{all_alike}"
        return replace(seen, sids=1, packets=emitted, clues=replace(clues, connections=1)), words
    if packets % sids == 0:
        return seen, ""
    words = f"Packets: {packets}; live sids: {sids}. Not each got as many."
    return replace(seen, sids=None, packets=None, clues=replace(clues, connections=None)), words


def _facts(seen: Seen, lost: bool) -> tuple[list[str], bool]:
    """Return what else is known, and whether it says why."""
    c, others = seen.clues, len(seen.who.get("sent", ()))
    to_server, kept = c.recipient == "server", (c.client, c.away) == ("javascript", True)
    facts: dict[str, Any] = {
        "Its handler raised an exception, or does not take its arguments.": c.failed,
        "Its sender asks for no acknowledgement: there is no function to call.": c.failed
        and (c.acknowledged, c.server) == (False, "javascript"),
        "No acknowledgement of it came to its sender.": c.answered is False,
        f'The client\'s last connection ended with "{c.reason}".': c.reason
        and (lost or (c.connections or 0) > 1),
        "It asks a room for acknowledgements, and does not say how long its callback waits, which "
        "fails at once: io.timeout(5000).to(…).emit(…).": c.untimed,
        "The process that emitted it was blocked just then: what it sends waits (L30).": c.held,
        f"Sids in its room whose sessions have ended: {c.ghosts}. An error in a disconnect handler "
        "leaves them there, and in memory: catch it.": c.ghosts,
        "emit() was called for it on another server object than the client's.": c.elsewhere,
        "emit() was called in another event loop than its connection's, which does not wake up for "
        "it: use asyncio.run_coroutine_threadsafe().": c.other_loop,
    }
    if not lost:
        again, later = (c.emitted or 0) > 1, to_server and kept and seen.packets
        wide = c.whose and not to_server and (c.reached or 0) > (seen.sids or 0) > 0
        some = c.skipped and not to_server
        spread = f", for {c.rooms} rooms" * ((c.rooms or 0) > 1)
        facts |= {
            f"Calls of emit() for it: {c.emitted}{spread}.": again and c.reached in (None, 1),
            f'A long call of "{c.behind}" ended just before: did it wait for that (L30)?': c.behind,
            f"The program called it in {c.places}: what leads there?": again and c.places,
            "It was emitted while the client was away, and sent when that was back.": later,
            "Its call overlapped another of this event: is what it checked still true then, and "
            "has the newer one the last word (L18)?": c.overlapped and seen.calls == 1,
            f"emit() was for {c.reached} sessions: those of other users too.": wide,
            "Some are the same, or written the same: what calls on() again?": c.alike,
            "Its handler is still running.": c.busy == c.event and seen.calls,
            "It left somebody out, as socket.to() and skip_sid do with a sender.": some,
        }
        return [words for words, holds in facts.items() if holds], again
    to_nobody, state = c.reached == 0, (c.connected, c.before, c.refused)
    alone = to_nobody and not others
    left = seen.who.get("live", frozenset()) - seen.who.get("skipped", frozenset())
    absent = alone and c.skipped and not c.sid and len(left)
    sends = c.client if to_server else c.server
    awaited = " In asyncio it is to be awaited." * (sends != "javascript")
    counted = c.emitted is not None and not c.elsewhere
    turned_away = c.rejected and False in (c.connected, c.before)
    idle = (c.emitted, c.elsewhere) == (0, None) and c.recipient and not c.kin
    busy = c.busy and not seen.calls
    unnamed = (c.room or "").strip("'\"") in ("undefined", "null", "None")
    silent = c.arrived and seen.listeners and seen.calls == 0 and not c.dropped
    blocked = c.reason == "ping timeout" or (c.died and "transport" in (c.reason or ""))
    early = c.early and to_server and not c.rejected
    swallowed = silent and c.server == "javascript" and to_server
    went_out = seen.who.get("own", frozenset()) & seen.who.get("out", frozenset())
    dismissed = state == (False, False, True) and c.reason and not c.rejected
    kept = to_server and kept and c.volatile is False
    never = "never was connected, no attempt failed: does connect() run, the connect handler end,"
    why: dict[str, Any] = {
        "emit() raised an exception: is it caught, and not told?": c.raised,
        "It was emitted before the client was connected: wait for that.": early,
        "That is the sid of a session in another namespace: each has its own.": c.sid == "astray",
        "That is the sid of an ended session: a reconnect brings another.": c.sid == "ended",
        f"The other end listens for it in {c.listens}.": c.listens and not c.arrived,
        f"It is listened to in {c.listens}.": c.listens and c.arrived,
        "A middleware of the socket, socket.use(), has stopped it.": swallowed,
        "Nor does anybody there listen for connections: io.of() with a pattern, called twice, "
        "makes two namespaces, and one of them takes the clients.": c.welcomed is False,
        "It has left that room, by leave_room() or socket.leave().": went_out and not c.arrived,
        "The server took the connection, and ended it: does its connect handler raise? If it takes "
        "other arguments, it does.": dismissed,
        "The client keeps it until it is connected again; a page that is closed loses it.": kept,
        "There is no entry where the name of that room was looked up.": unnamed,
        f"The client is connected, and never was in {c.namespace}.": state[:2] == (True, False),
        f"The client {never} and does each middleware of the server call next()?": state
        == (False,) * 3,
        "That listener was registered with once(): it takes one message.": c.once,
        "It has a listener now: that was registered after it had come.": c.late,
    }
    facts |= {
        f"Calls of emit() for it, at the ends that are observed: {c.emitted}.": counted,
        f"It was for other sessions: {others}.": to_nobody and others,
        "Its emit() was for no session: not in that room, or left out.": alone and not c.skipped,
        "It left out all who were there.": alone and c.skipped,
        f"Live sids not in its room: {absent}. Joined again at a reconnect (L5)?": absent,
        f"Nobody is in the room {c.room}: what joins it, and when?": c.room,
        f'A handler of "{c.busy}" is still running: does it hold up what follows (L30)?': busy,
        "In another namespace somebody is.": c.astray,
        "The server has rejected the client, with the words that `connect_error` has. In "
        "JavaScript it tries again only if connect() is called.": turned_away,
        "The session that it was sent to has ended since: before it came?": c.died,
        f"Is the line that emits it reached, in this process?{awaited}": idle,
        "emit() was called for others of this event: what decides for which?": c.kin,
        f"It is in the namespace {c.namespace}.": c.namespace not in (None, "/"),
        f'"{c.unheard}" came, and nobody listens to it.': c.unheard,
        "A blocked process ends it so as well (L30).": blocked,
    }
    return [words for words, holds in (why | facts).items() if holds], any(why.values())


def _lost(seen: Seen) -> tuple[str, ...]:
    """Return what it means, in words, that a counter is 0, and the patterns that it can be."""
    clues, arrived = seen.clues, seen.clues.arrived
    if seen.effects:
        return ()
    if (clues.event, clues.recipient, clues.connected) == ("connect", "client", True):
        words = "A listener that is registered now waits for the next time; ask socket.connected"
        return (f"'connect' is of the library, and it is connected. {words}.",)
    if clues.event == "connect" and clues.refused and clues.reason and not clues.rejected:
        return ("The client is not connected.",)
    if (clues.recipient, clues.busy) == ("client", "connect") and not seen.calls:
        return ("The connect handler still runs, its client waits: use start_background_task().",)
    if clues.recipient is None and clues.emitted == 0 and not seen.packets:
        words = "Nothing of it came here, and emit() was not called for it here"
        return (f"{words}: if this end sends it, is that line reached?",)
    if seen.sids == 0 and not seen.packets:
        space = clues.namespace or "it"
        return f"No live session in {space} when it was to be sent.", "not connected"
    if seen.listeners == 0 and seen.packets == 0:
        words = "if it is an answer, no callback waited for it any more"
        return f"No listener and no packet: {words}.", "nobody waits"
    if seen.listeners == 0:
        return "No listener: the recipient had none for it when it came.", "nobody listens"
    if seen.packets == 0 and clues.emitted is None and (arrived is False or not seen.sids):
        absent = () if seen.sids else ("not connected",)
        words = "Nothing of it came; whether it was sent was not counted."
        return words, "not sent", "lost", *absent
    if seen.packets == 0 and clues.emitted == 0:
        words = "It was not sent: emit() was not called for it where that is observed."
        return words, "emitted elsewhere" if clues.elsewhere else "not emitted"
    if seen.packets == 0:
        absent = ("not connected",) if seen.sids is None else ()
        return "It was not sent: no packet of it was counted.", "not sent", *absent
    if seen.calls is None and seen.effects is None and clues.answered is False:
        words = "It was sent. Was it lost, or its answer, or has its handler not answered yet?"
        return words, "lost", "nobody waits"
    left = clues.recipient == "server" and clues.connected is False and not clues.answered
    if seen.calls is None and seen.effects is None and (clues.large or clues.died or left):
        return "It was sent; whether it was handled was not counted.", "lost"
    if seen.calls == 0 and arrived:
        return "It arrived, and no handler ran for it.", "lost"
    if seen.calls == 0 and clues.other_loop:
        return ("Given to its connection, and not handled.",)
    quiet = ("", "ping timeout")[: 2 if clues.held else 1]
    if seen.calls == 0 and (clues.busy or clues.reason in quiet):  # two stories
        return "Sent, and not handled: it waits there, or was lost on the way.", "lost", "busy"
    if seen.calls == 0:
        return "Sent, and not handled: its packet was lost on the way.", "lost"
    if seen.effects == 0 and seen.calls is None:
        deaf = () if seen.listeners else ("nobody listens",)
        words = "No effect is there; whether it was handled was not counted."
        return words, "in vain", "lost", *deaf
    return ("Handled, and no effect is there.", "in vain") if seen.effects == 0 else ()


Factors = dict[str, int]
"""What is odd, by its name in `FINDINGS`; the others are 1, or with "lost" and "zombies" 0."""


def _multiplied(seen: Seen) -> tuple[dict[str, int], list[str]]:
    if all(count in (None, 1) for count in seen.counters):
        if not any(seen.counters):
            return {}, ["Nothing counted."]
        if seen.clues.failed:
            return {}, ["It came once, and was not handled."]
        unheard = seen.clues.answered is False and seen.clues.reason and seen.calls
        handled = "handled once" if seen.calls else "whether it was handled was not counted"
        if seen.clues.answered and not seen.calls:
            handled = "it was handled, and acknowledged"
        return {"nobody waits": 0} if unheard else {}, [f"All that was counted is 1: {handled}."]
    recipient = seen.clues.recipient
    stories = explanations(seen, [recipient] if recipient else get_args(Recipient))
    whose = "" if seen.clues.whose else ": if they are several users', nothing is doubled"
    found: Factors = {}
    findings: list[str] = []
    for story in stories:
        found |= story
        text = " ".join(FINDINGS[name].format(n=n, whose=whose) for name, n in story.items())
        findings.append(text if not findings else f"Or: {text}")
    if "zombies" in found and seen.sids is not None and seen.clues.strangers != 0:
        findings.append("They may be those of other clients, which nobody has observed.")
        found["clients"] = seen.sids
    if not stories:
        names = ["listeners clients", "clients sessions zombies", "copies", "runs", "effects"]
        pairs = zip(names, seen.counters, strict=True)
        found = next((dict.fromkeys(each.split(), n) for each, n in pairs if n and n > 1), {})
        findings = ["No simple story gives these counters. Were all counted for one message?"]
    return found, findings


def explanations(seen: Seen, recipients: Iterable[Recipient]) -> list[Factors]:
    """Return what explains these counters with the fewest odd factors; no counter is 0."""
    found: list[Factors] = []
    counts = [count for count in seen.counters[:4] if count]
    numbers = sorted({n for count in counts for n in range(2, count + 1) if count % n == 0})
    for recipient, size in product(recipients, range(3)):  # no more than two factors are odd
        names = ["clients", "listeners", "copies", "runs", "sessions"]
        odd = product(names[: 5 if recipient == "client" else 4], numbers)
        for factors in map(dict, combinations(odd, size)):
            story = _completed(factors, seen, recipient)
            found += [] if story is None or story in found else [story]
    fewest = min(map(len, found), default=0)
    return [story for story in found if len(story) == fewest]


def _completed(factors: Factors, seen: Seen, recipient: Recipient) -> Factors | None:
    """Return them with the zombies, losses and effects that match the counters, or None."""
    of_each = ("clients", "listeners", "sessions", "copies", "runs")
    clients, listeners, sessions, copies, runs = (factors.get(name, 1) for name in of_each)
    to_client = recipient == "client"
    live = clients * sessions
    own, now = seen.who.get("own"), seen.who.get("live")
    if sessions > 1 and own and now and len(own & now) < live:
        return None  # the others were never those of that client
    zombies = max(0, (seen.sids or 0) - live)
    sent = copies * (live + zombies if to_client else clients)
    lost = 0
    alone = to_client and seen.sids is None and seen.clues.arrived  # all packets came, to clients
    if alone and clients > (seen.clues.clients or clients):
        return None
    if alone and copies > 1 < listeners and runs == 1:
        if not sent <= (seen.calls or 0) <= sent * listeners:
            return None  # there may have been fewer listeners for the first of them
    elif seen.calls is not None:
        handled, rest = divmod(seen.calls, listeners * runs)
        if rest:
            return None
        lost = (copies * live if to_client else sent) - handled
    if (seen.clues.connections or sent) < (live if to_client else clients):
        return None  # copies on one connection are not those of several
    expected = (clients * listeners if to_client else listeners, live + zombies, sent)
    if lost < 0 or not all(
        count in (None, number) for count, number in zip(seen.counters[:3], expected, strict=True)
    ):
        return None
    effects = -(-(seen.effects or 0) // (seen.calls or seen.effects or 1))
    more = effects if effects > 1 else 0
    found = {**factors, "effects": more, "zombies": zombies, "lost": lost}
    return {name: found[name] for name in FINDINGS if found.get(name)}

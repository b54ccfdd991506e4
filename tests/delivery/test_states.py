"""The state machines, without a network: whatever it loses, doubles or reorders."""

import json
import random
from dataclasses import dataclass, replace

import pytest

from sio_demo.delivery.inbox_state import (
    Progress,
    StoredReply,
    advanced,
    check_same,
    duplicates,
    welcomed,
)
from sio_demo.delivery.message import (
    LARGEST,
    Answer,
    Batch,
    Hello,
    Welcome,
    id_of,
    read_message,
    wire_size,
)
from sio_demo.delivery.send_window import FLIGHTS, SendWindow, backoff
from sio_demo.errors import (
    BatchError,
    ConflictError,
    DeliveryError,
    FencedError,
    QuotaError,
    RestoredError,
    Retry,
    SequenceError,
    StoreError,
    UnknownProducerError,
)

WHO = Hello("0b0e7c1e-0000-4000-8000-000000000000", known=True, epoch=7, start="a")
WELCOME = Welcome(0, "", 0, 500, LARGEST, 20_000)


@dataclass
class Message:
    text: str


def name(number):
    return f"{number:016}"


def text(number, payload="same"):
    return json.dumps([name(number), "e", payload])


def texts(*numbers):
    return [text(number) for number in numbers]


def filled(count, window, identity=WHO, base=0):
    """Return a window with so many messages."""
    outbox = SendWindow(identity, base, window, name(base - 1) if base else "")
    outbox.accept(Message(text(n)) for n in range(base, base + count))
    return outbox


class Server:
    """The smallest inbox: a list of effects, and a dict of what is kept."""

    def __init__(self, chance, limits):
        self.effects, self.progress, self.kept = [], None, {}
        self.chance, self.limits = chance, limits

    def receive(self, request):
        if self.chance() < 0.1:
            return Answer(0, [], StoreError("disk full"))
        try:
            return self.greet(request) if isinstance(request, Hello) else self.apply(request)
        except DeliveryError as error:
            return Answer(self.progress.next if self.progress else 0, [], error)

    def greet(self, hello):
        self.progress = welcomed(hello, self.progress, None)
        at = self.progress.next, self.progress.last, self.progress.floor
        return Welcome(*at, *self.limits)

    def apply(self, batch):
        most, characters, _ = self.limits
        assert len(batch.messages) <= most
        assert sum(map(wire_size, batch.messages)) <= characters
        old = duplicates(batch, self.progress)
        kept = [self.kept[batch.first + i] for i in range(old)]
        check_same(batch, [read_message(text) for text in batch.messages], kept, self.progress)
        new, error = [], None
        for text in batch.messages[old:]:
            if self.chance() < 0.05:
                error = Retry("not yet")
                break
            new.append(StoredReply(id_of(text), f"re {text}"))
            self.effects.append(text)
        self.kept.update(enumerate(new, self.progress.next))
        self.progress = advanced(batch, self.progress, new)
        for number in [n for n in self.kept if n < self.progress.floor]:
            del self.kept[number]
        return Answer(self.progress.next, [one.reply for one in kept + new], error)


@pytest.mark.parametrize("seed", range(150))
def test_every_message_is_applied_once_in_order_and_gets_its_reply(seed):
    """Requests and answers are lost, doubled and held back; stores fail; clients restart."""
    chance = random.Random(seed)
    all_texts = texts(*range(60))
    limits = (chance.choice([1, 7, 500]), chance.choice([200, LARGEST]), chance.choice([3, 20_000]))
    server = Server(chance.random, limits)
    window = chance.choice([1, 3, 8, 20, 100])
    identity = replace(WHO, known=False, epoch=1)
    outbox, unsent, replies = SendWindow(identity, 0, window), list(all_texts), {}
    to_server, to_client, stray, state, most = [], [], [], "new", 0
    for _ in range(20_000):
        match chance.choice("aabbbssscccvxdr"):
            case "a" if unsent:
                outbox.accept([Message(unsent.pop(0)) for _ in range(min(len(unsent), 5))])
            case "b" if state == "new":
                state = "greeting"
                to_server.append(outbox.hello())
            case "b" if state == "ready":
                if batch := outbox.next_batch():
                    assert len(batch.messages) <= window
                    to_server.append(batch)
            case "s" if to_server:
                request = to_server.pop(0)
                to_client.append((request, server.receive(request)))
            case "c" if to_client:  # acknowledgements come in any order
                request, answer = to_client.pop(chance.randrange(len(to_client)))
                if isinstance(request, Hello):
                    state = "ready" if isinstance(answer, Welcome) else "new"
                    if state == "ready":
                        outbox.welcomed(answer)
                        outbox.known = True
                    continue
                if answer.error:
                    assert outbox.refused(request, answer), answer.error
                done = outbox.answered(request, answer)
                replies.update((message.text, reply) for message, reply in done)
            case "v":
                outbox.confirmed = outbox.base
            case "x" if chance.random() < 0.5:  # the connection is lost with all that is under way
                stray += chance.sample(to_server, len(to_server) // 2)
                to_server, to_client, state = [], [], "new"
                outbox.lost()
            case "d" if stray:  # a zombie's packet comes late: nobody hears the answer
                server.receive(stray.pop(0))
            case "r" if chance.random() < 0.1:  # a restart goes back to what is on disk
                stray += to_server
                to_server, to_client, state = [], [], "new"
                known, epoch = outbox.known, outbox.identity.epoch + 1
                identity = Hello(WHO.producer, known, epoch, f"start {epoch}")
                base, end = outbox.confirmed, outbox.next
                outbox = SendWindow(identity, base, window, name(base - 1) if base else "")
                outbox.accept(Message(text) for text in all_texts[base:end])
        most = max(most, len(server.kept))
        if not (unsent or outbox.messages):
            break
    assert server.effects == all_texts
    assert replies == {text: f"re {text}" for text in all_texts}
    assert most <= limits[2]


def test_a_window_lets_several_batches_be_in_flight():
    outbox = filled(100, window=16)
    batches = [outbox.next_batch() for _ in range(FLIGHTS)]
    assert [batch.first for batch in batches] == [0, 2, 4, 6, 8, 10, 12, 14]
    assert outbox.next_batch() is None
    outbox.answered(batches[0], Answer(2, ["a", "b"]))
    assert outbox.next_batch().first == 16


def test_no_more_is_in_flight_than_the_window_allows():
    for window in (1, 5, 12):
        outbox = filled(100, window)
        in_flight = 0
        while batch := outbox.next_batch():
            in_flight += len(batch.messages)
        assert in_flight == outbox.in_flight == window


def test_what_is_sent_while_all_flights_are_out_gathers_in_one_batch():
    outbox = SendWindow(WHO, 0, window=800)
    flights = []
    for n in range(FLIGHTS + 50):
        outbox.accept([Message(text(n))])
        flights.append(outbox.next_batch())
    assert [bool(f) for f in flights] == [True] * FLIGHTS + [False] * 50
    outbox.answered(flights[0], Answer(1, ["r"]))
    assert len(outbox.next_batch().messages) == 50


def test_a_batch_stays_below_the_size_of_a_packet():
    outbox = SendWindow(WHO, 0, window=800)
    outbox.accept(Message(text(n, "x" * 400_000)) for n in range(5))
    assert len(outbox.next_batch().messages) == 2


def test_an_answer_without_room_for_all_replies_has_the_rest_sent_again():
    outbox = filled(10, window=80)
    batch = outbox.next_batch()
    assert len(outbox.answered(batch, Answer(10, ["r"] * 4))) == 4
    again = outbox.next_batch()
    assert (again.first, again.after) == (4, name(3))


def test_every_batch_names_the_message_before_it():
    outbox = filled(6, window=16)
    batches = [outbox.next_batch() for _ in range(3)]
    assert [batch.after for batch in batches] == ["", name(1), name(3)]
    outbox.answered(batches[0], Answer(2, ["r", "r"]))
    outbox.rewind()
    assert outbox.next_batch().after == name(1)


# --- the welcome ---------------------------------------------------------------------------


def test_a_hello_says_what_is_stored():
    outbox = filled(1, 8, replace(WHO, known=False))
    assert outbox.hello() == Hello(WHO.producer, False, 7, "a")
    outbox.known = True
    assert outbox.hello() == Hello(WHO.producer, True, 7, "a")


@pytest.mark.parametrize("number", [5, 7, 15])
def test_the_outbox_goes_on_where_it_has_no_replies(number):
    outbox = filled(10, window=80, base=5)
    outbox.next_batch()
    outbox.welcomed(replace(WELCOME, next=number, last=name(number - 1)))
    batch = outbox.next_batch()
    assert (batch.first, len(batch.messages), batch.after) == (5, 10, name(4))


@pytest.mark.parametrize(
    ("number", "last", "error"),
    [
        (4, name(3), RestoredError),  # the inbox has sent a reply to message 4
        (16, name(15), ConflictError),  # there was no message 15
        (5, name(99), ConflictError),
        (7, name(99), ConflictError),
        (15, name(99), ConflictError),
    ],
)
def test_an_inbox_with_another_history_is_not_gone_on_with(number, last, error):
    outbox = filled(10, window=80, base=5)
    with pytest.raises(error):
        outbox.welcomed(replace(WELCOME, next=number, last=last))


def test_an_outbox_without_replies_that_it_has_confirmed_was_restored():
    outbox = filled(10, window=80, base=5)
    outbox.welcomed(replace(WELCOME, next=7, last=name(6), confirmed=5))
    with pytest.raises(ConflictError, match="restored from a copy"):
        outbox.welcomed(replace(WELCOME, next=7, last=name(6), confirmed=6))


def test_a_reply_that_overtook_another_does_not_outlive_its_connection():
    """The inbox may be restored in between, to where it has applied only the first message."""
    outbox = filled(2, window=8)
    _, second = outbox.next_batch(), outbox.next_batch()
    assert outbox.answered(second, Answer(2, ["r"])) == []
    outbox.lost()
    outbox.welcomed(replace(WELCOME, next=1, last=name(0)))
    done = outbox.answered(outbox.next_batch(), Answer(1, ["r"]))
    assert [id_of(message.text) for message, _ in done] == [name(0)]
    assert outbox.next_batch().messages == texts(1)


def test_the_inbox_limits_a_batch_its_characters_and_what_is_not_confirmed():
    outbox = filled(100, window=8000)
    outbox.welcomed(replace(WELCOME, batch=3))
    assert len(outbox.next_batch().messages) == 3
    outbox.welcomed(replace(WELCOME, characters=2 * wire_size(text(0))))
    assert len(outbox.next_batch().messages) == 2
    outbox.welcomed(replace(WELCOME, unconfirmed=4))
    batch = outbox.next_batch()
    assert len(batch.messages) == 4
    outbox.answered(batch, Answer(4, ["r"] * 4))
    assert outbox.next_batch() is None
    assert outbox.worth_a_save
    outbox.confirmed = outbox.base
    batch = outbox.next_batch()
    assert (batch.first, batch.confirmed, len(batch.messages)) == (4, 4, 4)


def test_one_batch_at_a_time_if_packets_share_a_request():
    outbox = filled(100, window=16)
    outbox.welcomed(WELCOME, flights=1)
    batch = outbox.next_batch()
    assert outbox.next_batch() is None
    outbox.answered(batch, Answer(batch.end, ["r"] * len(batch.messages)))
    assert outbox.next_batch().first == batch.end


def test_a_message_too_long_for_the_inbox_is_withdrawn():
    outbox = SendWindow(WHO, 0, window=80)
    outbox.accept([Message(text(0)), Message(text(1, "x" * 1000)), Message(text(2))])
    outbox.welcomed(replace(WELCOME, characters=900))
    messages = [read_message(one) for one in outbox.next_batch().messages]
    assert [(m.id, m.withdrawn) for m in messages] == [
        (name(0), False),
        (name(1), True),
        (name(2), False),
    ]


# --- refusals ------------------------------------------------------------------------------


@pytest.mark.parametrize(("expected", "helps"), [(4, False), (5, True), (10, True), (11, False)])
def test_a_gap_is_mended_unless_the_inbox_lost_what_was_confirmed(expected, helps):
    outbox = filled(10, window=40, base=5)
    outbox.next_batch()
    second = outbox.next_batch()
    assert second.first == 10
    answer = Answer(expected, [], SequenceError("gap"))
    assert outbox.refused(second, answer) is helps


@pytest.mark.parametrize(
    "kind", [ConflictError, FencedError, BatchError, UnknownProducerError, RestoredError]
)
def test_a_refusal_that_a_retry_does_not_change_is_final(kind):
    outbox = filled(1, window=8)
    assert outbox.refused(outbox.next_batch(), Answer(0, [], kind("x"))) is False


@pytest.mark.parametrize("kind", [Retry, StoreError, QuotaError])
def test_a_refusal_that_may_end_has_the_batch_sent_again(kind):
    outbox = filled(1, window=8)
    batch = outbox.next_batch()
    assert outbox.refused(batch, Answer(0, [], kind("x"))) is True
    assert outbox.next_batch() == batch


def test_a_refusal_of_a_batch_that_was_given_up_is_ignored():
    outbox = filled(1, window=8)
    late = outbox.next_batch()
    outbox.rewind()
    again = outbox.next_batch()
    assert outbox.refused(late, Answer(0, [], FencedError("x")))
    assert outbox.in_flight
    assert [reply for _, reply in outbox.answered(again, Answer(1, ["r"]))] == ["r"]


# --- the inbox -----------------------------------------------------------------------------

KNOWN = Progress("me", 7, "a", name(9), floor=4, next=10)
HELLO = Hello(WHO.producer, True, 7, "a")


def test_a_producer_is_registered_by_its_first_hello():
    fresh = Hello(WHO.producer, False, 7, "a")
    registered = welcomed(fresh, None, "me")
    assert registered == Progress("me", 7, "a")
    assert welcomed(fresh, registered, "me") == registered  # the first answer was lost


@pytest.mark.parametrize("known", [False, True])
def test_the_same_start_is_welcome_again_and_a_later_one_takes_over(known):
    hello = replace(HELLO, known=known)
    assert welcomed(hello, KNOWN, "me") == KNOWN
    later = welcomed(replace(hello, epoch=8, start="b"), KNOWN, "me")
    assert later == KNOWN._replace(epoch=8, start="b")


@pytest.mark.parametrize(("epoch", "start"), [(6, "a"), (6, "b"), (7, "b")])
def test_an_earlier_start_and_a_copy_are_fenced(epoch, start):
    with pytest.raises(FencedError, match="taken over by another outbox"):
        welcomed(replace(HELLO, epoch=epoch, start=start), KNOWN, "me")


@pytest.mark.parametrize(("known", "progress"), [(True, None), (True, KNOWN), (False, KNOWN)])
def test_a_forgotten_producer_and_that_of_another_user_are_refused(known, progress):
    with pytest.raises(UnknownProducerError):
        welcomed(replace(HELLO, known=known), progress, "you")


@pytest.mark.parametrize(
    ("first", "epoch", "error"),
    [
        (11, 7, SequenceError),
        (3, 7, SequenceError),
        (10, 6, FencedError),
        (10, 8, UnknownProducerError),
    ],
)
def test_a_jump_a_step_back_and_another_epoch_are_refused(first, epoch, error):
    batch = Batch(WHO.producer, epoch, first, "", 0, texts(first))
    with pytest.raises(error):
        duplicates(batch, KNOWN)


@pytest.mark.parametrize(("first", "count", "old"), [(10, 2, 0), (4, 3, 3), (8, 4, 2), (10, 0, 0)])
def test_the_overlap_with_what_was_applied_is_counted(first, count, old):
    batch = Batch(WHO.producer, 7, first, "", 0, texts(*range(first, first + count)))
    assert duplicates(batch, KNOWN) == old


def test_progress_never_goes_back():
    batch = Batch(WHO.producer, 7, 4, "", 2, texts(4))
    assert advanced(batch, KNOWN, []) == KNOWN
    ahead = advanced(replace(batch, confirmed=6), KNOWN._replace(attempts=2), [])
    assert ahead == KNOWN._replace(floor=6, attempts=2)
    new = [StoredReply(name(10), ""), StoredReply(name(11), "")]
    ahead = advanced(replace(batch, first=10), KNOWN._replace(attempts=2), new)
    assert ahead == KNOWN._replace(next=12, last=name(11))


def test_the_same_number_with_another_id_is_a_conflict():
    batch = Batch(WHO.producer, 7, 8, name(7), 0, texts(8, 9))
    messages = [read_message(one) for one in batch.messages]
    check_same(batch, messages, [StoredReply(name(8), ""), StoredReply(name(9), "")], KNOWN)
    with pytest.raises(ConflictError, match="the number 9 "):
        check_same(batch, messages, [StoredReply(name(8), ""), StoredReply(name(7), "")], KNOWN)


def test_nothing_follows_another_message_than_it_was_sent_after():
    batch = Batch(WHO.producer, 7, 10, name(9), 0, texts(10))
    messages = [read_message(one) for one in batch.messages]
    check_same(batch, messages, [], KNOWN)
    with pytest.raises(ConflictError, match="the number 9 "):
        check_same(replace(batch, after=name(8)), messages, [], KNOWN)


def test_backoff_doubles_with_jitter_up_to_a_limit():
    for attempt, longest in [(0, 0.1), (1, 0.2), (3, 0.8), (10, 5.0), (10_000, 5.0)]:
        delays = [backoff(attempt, 0.1, 5.0) for _ in range(100)]
        assert longest / 2 <= min(delays) < max(delays) <= longest

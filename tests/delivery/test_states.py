"""The state machines, without a network: whatever it loses, doubles or reorders."""

import random
from dataclasses import dataclass

import pytest

from sio_demo.delivery.inbox_state import Progress, StoredReply, advanced, check_same, duplicates
from sio_demo.delivery.message import Answer, Batch, digest
from sio_demo.delivery.send_window import FLIGHTS, Identity, SendWindow, backoff
from sio_demo.errors import (
    BatchError,
    ConflictError,
    DeliveryError,
    FencedError,
    SequenceError,
    StoreError,
)

WHO = Identity("0b0e7c1e-0000-4000-8000-000000000000", 1)


@dataclass
class Message:
    text: str


class Server:
    """The smallest inbox: a list of effects, and a dict of what is kept."""

    def __init__(self, chance=random.random):
        self.effects, self.progress, self.kept = [], Progress(), {}
        self.chance = chance

    def receive(self, batch, trouble=0.0):
        if self.chance() < trouble:
            return Answer(0, [], StoreError("disk full"))
        try:
            old = duplicates(batch, self.progress)
            kept = [self.kept[batch.first + i] for i in range(old)]
            check_same(batch, kept)
        except DeliveryError as error:
            return Answer(self.progress.next, [], error)
        for text in batch.messages[old:]:
            self.kept[self.progress.next + len(kept) - old] = one = StoredReply(
                digest(text), f"re {text}"
            )
            kept.append(one)
            self.effects.append(text)
        self.progress = advanced(batch, self.progress)
        for number in [n for n in self.kept if n < self.progress.floor]:
            del self.kept[number]
        return Answer(self.progress.next, [one.reply for one in kept])


@pytest.mark.parametrize("seed", range(150))
def test_every_message_is_applied_once_in_order_and_gets_its_reply(seed):
    """Batches and answers are lost, doubled and held back; stores fail; clients restart."""
    chance = random.Random(seed)
    texts = [str(n) for n in range(60)]
    server = Server(chance.random)
    window = chance.choice([1, 3, 8, 20, 100])
    outbox, unsent, replies = SendWindow(WHO, 0, window), list(texts), {}
    to_server, to_client, stray, most = [], [], [], 0
    for _ in range(20_000):
        match chance.choice("aabbssccxdr"):
            case "a" if unsent:
                outbox.accept([Message(unsent.pop(0)) for _ in range(min(len(unsent), 5))])
            case "b":
                if batch := outbox.next_batch():
                    assert len(batch.messages) <= window
                    to_server.append(batch)
            case "s" if to_server:
                batch = to_server.pop(0)
                to_client.append((batch, server.receive(batch, trouble=0.1)))
            case "c" if to_client:  # acknowledgements come in any order
                batch, answer = to_client.pop(chance.randrange(len(to_client)))
                if answer.error:
                    assert outbox.refused(batch, answer), answer.error
                else:
                    done = outbox.answered(batch, answer)
                    replies.update((message.text, reply) for message, reply in done)
                    outbox.confirmed = chance.choice([outbox.confirmed, outbox.base])
            case "x":  # the connection is lost with all that is under way
                stray += chance.sample(to_server, len(to_server) // 2)
                to_server.clear()
                to_client.clear()
                outbox.rewind()
            case "d" if stray:  # a zombie's packet comes late: nobody hears the answer
                server.receive(stray.pop(0))
            case "r" if chance.random() < 0.1:  # a restart goes back to what is on disk
                left = [Message(text) for text in texts[outbox.confirmed : outbox.next]]
                outbox = SendWindow(WHO, outbox.confirmed, window)
                outbox.accept(left)
                to_server.clear()
                to_client.clear()
        most = max(most, len(server.kept))
        if not (unsent or outbox.messages):
            break
    assert server.effects == texts
    assert replies == {text: f"re {text}" for text in texts}


def test_a_window_lets_several_batches_be_under_way():
    outbox = SendWindow(WHO, 0, window=16)
    outbox.accept(Message(str(n)) for n in range(100))
    batches = [outbox.next_batch() for _ in range(FLIGHTS)]
    assert [batch.first for batch in batches] == [0, 2, 4, 6, 8, 10, 12, 14]
    assert outbox.next_batch() is None
    outbox.answered(batches[0], Answer(2, ["a", "b"]))
    assert outbox.next_batch().first == 16


def test_no_more_is_under_way_than_the_window_allows():
    for window in (1, 5, 12):
        outbox = SendWindow(WHO, 0, window)
        outbox.accept(Message(str(n)) for n in range(100))
        under_way = 0
        while batch := outbox.next_batch():
            under_way += len(batch.messages)
        assert under_way == window


def test_what_is_sent_while_all_flights_are_out_gathers_in_one_batch():
    outbox = SendWindow(WHO, 0, window=800)
    flights = []
    for n in range(FLIGHTS + 50):
        outbox.accept([Message(str(n))])
        flights.append(outbox.next_batch())
    assert [bool(f) for f in flights] == [True] * FLIGHTS + [False] * 50
    outbox.answered(flights[0], Answer(1, ["r"]))
    assert len(outbox.next_batch().messages) == 50


def test_a_batch_stays_below_the_size_of_a_packet():
    outbox = SendWindow(WHO, 0, window=800)
    outbox.accept(Message("x" * 150_000) for _ in range(5))
    assert len(outbox.next_batch().messages) == 2


def test_an_answer_without_room_for_all_replies_has_the_rest_sent_again():
    outbox = SendWindow(WHO, 0, window=80)
    outbox.accept(Message(str(n)) for n in range(10))
    batch = outbox.next_batch()
    assert len(outbox.answered(batch, Answer(10, ["r"] * 4))) == 4
    assert outbox.next_batch().first == 4


@pytest.mark.parametrize(("expected", "helps"), [(4, False), (5, True), (10, True), (11, False)])
def test_a_gap_is_mended_unless_the_inbox_lost_what_was_confirmed(expected, helps):
    outbox = SendWindow(WHO, 5, window=40)
    outbox.accept(Message(str(n)) for n in range(10))
    outbox.next_batch()
    second = outbox.next_batch()
    assert second.first == 10
    answer = Answer(expected, [], SequenceError("gap"))
    assert outbox.refused(second, answer) is helps


@pytest.mark.parametrize("error", [ConflictError("x"), FencedError("x"), BatchError("x")])
def test_a_refusal_that_a_retry_does_not_change_is_final(error):
    outbox = SendWindow(WHO, 0, window=8)
    outbox.accept([Message("a")])
    assert outbox.refused(outbox.next_batch(), Answer(0, [], error)) is False


def test_a_refusal_of_a_batch_that_was_given_up_is_ignored():
    outbox = SendWindow(WHO, 0, window=8)
    outbox.accept([Message("a")])
    late = outbox.next_batch()
    outbox.rewind()
    again = outbox.next_batch()
    assert outbox.refused(late, Answer(0, [], FencedError("x")))
    assert outbox.under_way
    assert [reply for _, reply in outbox.answered(again, Answer(1, ["r"]))] == ["r"]


@pytest.mark.parametrize(
    ("first", "epoch", "error"),
    [(11, 7, SequenceError), (3, 7, SequenceError), (10, 6, FencedError)],
)
def test_a_jump_a_step_back_and_an_old_epoch_are_refused(first, epoch, error):
    batch = Batch(WHO.producer, epoch, first, 0, ["a"])
    with pytest.raises(error):
        duplicates(batch, Progress(epoch=7, floor=4, next=10))


@pytest.mark.parametrize(("first", "count", "old"), [(10, 2, 0), (4, 3, 3), (8, 4, 2), (10, 0, 0)])
def test_the_overlap_with_what_was_applied_is_counted(first, count, old):
    batch = Batch(WHO.producer, 7, first, 0, ["a"] * count)
    assert duplicates(batch, Progress(epoch=7, floor=4, next=10)) == old


def test_progress_never_goes_back():
    ahead = advanced(Batch(WHO.producer, 8, 4, 2, ["a"]), Progress(epoch=7, floor=4, next=10))
    assert ahead == Progress(epoch=8, floor=4, next=10)


def test_the_same_number_with_another_text_is_a_conflict():
    batch = Batch(WHO.producer, 1, 0, 0, ["a", "b"])
    check_same(batch, [StoredReply(digest("a"), ""), StoredReply(digest("b"), "")])
    with pytest.raises(ConflictError, match="Message 1 "):
        check_same(batch, [StoredReply(digest("a"), ""), StoredReply(digest("c"), "")])


def test_backoff_doubles_with_jitter_up_to_a_limit():
    for attempt, longest in [(0, 0.1), (1, 0.2), (3, 0.8), (10, 5.0), (10_000, 5.0)]:
        delays = [backoff(attempt, 0.1, 5.0) for _ in range(100)]
        assert longest / 2 <= min(delays) < max(delays) <= longest

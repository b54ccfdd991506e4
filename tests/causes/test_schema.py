"""The files of causes: what is wrong in an entry is refused, with its cause and its key."""

from __future__ import annotations

import pytest
from causes_schema import check_together, read, read_symptoms

from atlas_sections import SYMPTOMS
from sio_demo.causes import (
    BY_THEME,
    CAUSES,
    FILES,
    NEEDS,
    RULES,
    Cause,
    Rule,
    text,
)
from sio_demo.causes import read as read_by_package
from sio_demo.errors import UsageError

ENTRY = """
[D1]
title = "A title"
measured_with = ["socket.io-client", "python-socketio server"]
symptom = "What one sees."
mechanism = '''
Why it
  happens.'''
fix = "What to do."
evidence = ["socketio/socket.io#4919", "https://socket.io/docs/v4/"]
look = "Where to look."
signatures = ["listeners: to client, reconnected"]

[D1.rule]
id = "a-rule"
title = "A rule"
why = "What happens."
fix = "What to do instead."
"""


def changed(*changes):
    """Change the entry, each change in one place."""
    text = ENTRY
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize("read", [read, read_by_package])
def test_an_entry_becomes_a_cause(read):
    [cause] = read(ENTRY, "duplicate")
    [signature] = cause.signatures
    assert (cause.letter, cause.family, cause.title) == ("D1", "duplicate", "A title")
    assert cause.mechanism == "Why it happens."
    assert cause.evidence == ("socketio/socket.io#4919", "https://socket.io/docs/v4/")
    assert (cause.also_known_from, cause.reason, cause.twins) == ((), "", ())
    assert signature.patterns == ("listeners",)
    assert signature.needs == (NEEDS["to client"], NEEDS["reconnected"])
    assert signature.hints == ()
    assert cause.rule == Rule("a-rule", "D1", "A rule", "What happens.", "What to do instead.")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([("fix = \"What to do.\"\n", "")], "D1: 'fix' is missing"),
        ([('look = "Where to look."\n', "")], "D1: 'look' is missing"),
        ([("symptom =", "symptoms =")], "D1: 'symptoms' is no key. There are: title, symptom"),
        ([("title = \"A title\"", "letter = \"D1\"")], "D1: 'letter' is no key"),
        ([('"A title"', '" "')], "D1: 'title' takes text, not ' '"),
        ([('"A title"', "1")], "D1: 'title' takes text, not 1"),
        ([("listeners: ", ": ")], "D1.signatures: 'patterns' is missing"),
        ([("listeners: ", "listeners, ")], "D1.signatures: 'patterns' has 'to client', which is"),
        ([('"listeners: to client, reconnected"', '""')], "D1.signatures: 'patterns' is missing"),
        ([("listeners: ", "listener: ")], "D1.signatures: 'patterns' has 'listener', .* listeners"),
        ([("reconnected", "reconected")], "D1.signatures: 'needs' has 'reconected', .* away"),
        ([("reconnected", "to client")], "D1.signatures: 'needs' has 'to client' twice"),
        ([("reconnected", "reconnected; often")], "D1.signatures: 'hints' has 'often', .* away"),
        ([("signatures =", "signature =")], "D1: 'signature' is no key"),
        ([('["listeners: to client, reconnected"]', '"listeners"')], "'signatures' is an array"),
        ([('"socket.io-client"', '"sockets"')], "D1: 'measured_with' has 'sockets', .* socket"),
        ([('"socketio/socket.io#4919"', '"#4919"')], "D1: 'evidence' has '#4919'; it takes"),
        ([("https:", "http:")], "D1: 'evidence' has 'http://socket.io/docs/v4/'; it"),
        ([('"https://socket.io/docs/v4/"', '"socketio/socket.io#4919"')], "'evidence' .* twice"),
        ([("look =", 'also_known_from = ["socket.io-client"]\nlook =')], "which it was measured"),
        ([("look =", 'reason = "Not here."\nlook =')], "D1: 'measured_with' or 'reason' is needed"),
        ([("measured_with =", "also_known_from =")], "D1: 'measured_with' or 'reason' is needed"),
        ([("look =", 'reason = "Not here."\nlook ='), ("measured_with =", "also_known_from =")],
         "D1: 'look' is only for what can be diagnosed"),
        ([("a-rule", "a rule")], "D1: 'rule' has the id 'a rule'; it takes words-like-these"),
        ([('why = "What happens."\n', "")], "D1.rule: 'why' is missing"),
        ([('title = "A rule"', 'titel = "A rule"')], "D1.rule: 'titel' is no key"),
        ([("[D1]", "D1 = 1\n[D2]")], "duplicate.* are no TOML"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_its_cause_and_its_key(changes, words):
    with pytest.raises(UsageError, match=words):
        read(changed(*changes), "duplicate")


def test_the_files_fit_their_schema():
    causes = [cause for family, name in FILES.items() for cause in read(text(name), family)]
    check_together(causes)
    assert tuple(causes) == BY_THEME
    assert read_symptoms(text("symptoms.toml"), CAUSES) == SYMPTOMS


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("symptom =", "symptoms =", "D1 does not fit: .*'symptoms'"),
        ('fix = "What to do."', "", "D1 does not fit: .*'fix'"),
        ("reconnected", "reconected", "D1 does not fit: 'reconected'"),
    ],
)
def test_the_package_names_the_cause_that_it_cannot_read(old, new, words):
    with pytest.raises(UsageError, match=words):
        read_by_package(changed((old, new)), "duplicate")


def test_an_entry_without_signature_is_refused():
    text = changed(('signatures = ["listeners: to client, reconnected"]', ""))
    with pytest.raises(UsageError, match="D1: 'signatures' is missing"):
        read(text, "duplicate")


@pytest.mark.parametrize("letter", ["1", "D", "L1", "d1", "D1ab", "M1"])
def test_another_letter_is_refused(letter):
    with pytest.raises(UsageError, match=f"'{letter}' is no letter of a duplicate: D1, and so on"):
        read(ENTRY.replace("D1", letter), "duplicate")


def test_a_cause_is_a_table():
    with pytest.raises(UsageError, match="D1 is to be a table, not 1"):
        read("D1 = 1", "duplicate")


def test_a_myth_has_no_signature():
    with pytest.raises(UsageError, match="M1: 'look' is only for what can be diagnosed"):
        read(ENTRY.replace("D1", "M1"), "myth")


@pytest.mark.parametrize(
    ("twins", "words"),
    [
        ({"D1": ["D9"]}, "D1: 'twins' has 'D9', which is no cause"),
        ({"D1": ["D2"], "D2": ["D1"]}, "D1: 'twins' has 'D2': name a group only once"),
        ({"D1": ["D2"], "D3": ["D2"]}, "D1: 'twins' has 'D2': name a group only once"),
        ({"D1": ["D1"]}, "D1: 'twins' has 'D1': name a group only once"),
    ],
)
def test_twins_are_causes_and_named_once(twins, words):
    causes = [
        Cause(letter, "", "duplicate", "", "", "", (), twins=tuple(twins.get(letter, ())))
        for letter in ("D1", "D2", "D3")
    ]
    with pytest.raises(UsageError, match=words):
        check_together(causes)


def test_the_id_of_a_rule_is_its_own():
    text = ENTRY + ENTRY.replace("D1", "D2")
    with pytest.raises(UsageError, match=r"D1.rule: 'id' is 'a-rule', as another one's"):
        check_together(read(text, "duplicate"))


def test_every_need_is_used():
    signatures = [signature for cause in CAUSES for signature in cause.signatures]
    used = {need for each in signatures for need in (*each.needs, *each.hints)}
    assert [name for name, need in NEEDS.items() if need not in used] == []


def test_every_rule_and_every_twin_is_that_of_a_cause():
    letters = {cause.letter for cause in CAUSES}
    assert {rule.atlas for rule in RULES.values()} <= letters
    assert {letter for each in CAUSES for letter in each.twins} <= letters
    assert sorted(rule.id for rule in RULES.values()) == sorted(RULES)


def test_both_orders_hold_the_same_causes():
    assert sorted(cause.letter for cause in BY_THEME) == sorted(cause.letter for cause in CAUSES)


def test_every_symptom_leads_to_a_cause_and_every_cause_is_led_to():
    found = [each for said in SYMPTOMS.values() for causes in said.values() for each in causes]
    assert all(causes for said in SYMPTOMS.values() for causes in said.values())
    assert {each.letter for each in found} == {each.letter for each in CAUSES}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[It]\n"comes twice" = ["D9"]', "'comes twice' leads to D9"),
        ('[It]\n"comes twice" = []', "'comes twice' leads to no cause"),
        ('[It]\n"comes twice" = ["D1"]', "No symptom leads to D2: add it to symptoms.toml"),
    ],
)
def test_a_symptom_without_a_cause_and_a_cause_without_a_symptom_are_refused(text, words):
    causes = [Cause(letter, "", "duplicate", "", "", "", ()) for letter in ("D1", "D2")]
    with pytest.raises(UsageError, match=words):
        read_symptoms(text, causes)

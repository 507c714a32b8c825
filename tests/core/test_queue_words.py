from dataclasses import fields, replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.delivery import State
from appliance.core.ids import SubAccountId
from appliance.core.queue import EVERYTHING, NOT_DRAWN, TOUCHES, UNFINISHED, Act
from appliance.core.queue import QueueFilter as F
from appliance.core.queue_words import EXPECTED, WrongWord, read_filter, state_word

NOW_NS = 1_700_000_000_000_000_000
ID = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("state", "queued", F(states=frozenset({State.QUEUED}))),
        ("state", "held,in_doubt", F(states=frozenset({State.HELD, State.IN_DOUBT}))),
        ("provider", "my mta", F(provider="my mta")),
        ("provider", "-", F(provider=NOT_DRAWN)),
        ("pool", "main", F(pool="main")),
        ("domain", "Example.COM.", F(domain="example.com")),
        ("senderDomain", "example.com", F(sender_domain="example.com")),
        ("reason", "4.7.1 Grey", F(reason="4.7.1 Grey")),
        ("message", ID, F(message=UUID(ID))),
        ("delivery", ID, F(delivery=UUID(ID))),
        ("olderThan", "90", F(before_ns=NOW_NS - 90 * 10**9)),
        ("olderThan", "2h", F(before_ns=NOW_NS - 7200 * 10**9)),
        ("olderThan", "9999999d", F(before_ns=0)),  # before all time
        ("subAccount", "7", F(sub_account=SubAccountId(7))),
    ],
)
def test_each_word_is_read(name: str, text: str, wanted: F) -> None:
    """One part of the filter each."""
    assert read_filter({name: text}, NOW_NS) == wanted


def test_words_add_up() -> None:
    """All parts count together; no word is no filter."""
    words = {"pool": "a", "state": "held", "subAccount": "1"}
    assert read_filter(words, NOW_NS) == F(
        states=frozenset({State.HELD}), pool="a", sub_account=SubAccountId(1)
    )
    assert read_filter({}, NOW_NS) == EVERYTHING


def test_every_part_of_a_filter_can_be_said() -> None:
    """And each has a sentence for who says it wrongly."""
    assert len(EXPECTED) == len(fields(F))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("state", "sent"),
        ("state", "queued,"),
        ("state", "QUEUED"),
        ("domain", "no domain"),
        ("domain", "münchen.example"),
        ("senderDomain", "a@example.com"),
        ("message", "x"),
        ("message", ID.replace("-", "")),
        ("delivery", "7"),
        ("olderThan", "1w"),
        ("olderThan", "-1h"),
        ("olderThan", "٣h"),
        ("olderThan", "12345678"),
        ("subAccount", "x"),
        ("subAccount", "٣"),
        ("subAccount", "9" * 16),
        ("reason", "x" * 301),
    ],
)
def test_a_wrong_word_is_named(name: str, text: str) -> None:
    """With what it should have been, never taken for no filter."""
    wrong = read_filter({name: text}, NOW_NS)
    assert isinstance(wrong, WrongWord)
    assert wrong.name == name
    assert wrong.message.startswith(f"{name} cannot be ")
    assert EXPECTED[name] in wrong.message


@pytest.mark.parametrize("name", EXPECTED)
def test_an_empty_word_is_wrong(name: str) -> None:
    """A value that got lost in a script must not mean the whole queue."""
    assert isinstance(read_filter({name: ""}, NOW_NS), WrongWord)


def test_a_filter_that_is_not_there_is_told() -> None:
    """A typo is never taken for no filter."""
    wrong = read_filter({"pools": "main"}, NOW_NS)
    assert wrong == WrongWord("pools", "there is no filter 'pools'")


@given(st.dictionaries(st.sampled_from([*EXPECTED, "x"]), st.text()))
def test_any_words_are_answered(words: dict[str, str]) -> None:
    """A filter or a sentence, whatever was typed."""
    answer = read_filter(words, NOW_NS)
    if isinstance(answer, F) and words:
        assert answer != EVERYTHING
        assert replace(answer) == answer


def test_states_are_spelt_as_they_are_read() -> None:
    """What a list shows can be typed as a filter."""
    for state in UNFINISHED:
        read = read_filter({"state": state_word(state)}, NOW_NS)
        assert read == F(states=frozenset({state}))


def test_no_act_touches_what_the_relay_has() -> None:
    """Nor what is finished; every act touches something."""
    assert set(TOUCHES) == set(Act)
    for states in TOUCHES.values():
        assert states
        assert states <= UNFINISHED - {State.IN_FLIGHT}

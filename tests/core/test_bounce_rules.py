import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.bounce_rules import (
    Kind,
    Reason,
    Rule,
    parse_rules,
    plain_words,
    read_rules,
)

RULE = """
version = 3
[[rule]]
name = "one"
status = ["X.1.1", "X.7.*"]
code = ["55x"]
words = ["No such USER", "rbl."]
kind = "hard"
reason = "user_unknown"
"""


def test_a_rule_is_read_as_it_is_written() -> None:
    """Statuses lose their class, codes their x; words are made plain."""
    rules = parse_rules(RULE)
    assert rules.version == 3
    assert rules.rules == (
        Rule(
            "one",
            Kind.HARD,
            Reason.USER_UNKNOWN,
            status=(".1.1",),
            subjects=(".7.",),
            code=("55",),
            words=(" no such user", " rbl "),
        ),
    )


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ('kind = "hard"', 'kind = "harsh"'),
        ('reason = "user_unknown"', 'reason = "user_unknwon"'),
        ('"X.1.1"', '"5.1.1"'),
        ('code = ["55x"]', 'codes = ["55x"]'),
        ("version = 3", ""),
        ('name = "one"', ""),
    ],
)
def test_a_slip_in_the_file_is_no_rule(written: str, wrong: str) -> None:
    """Each is found when the file is read, not when a bounce comes."""
    with pytest.raises((KeyError, ValueError)):
        parse_rules(RULE.replace(written, wrong))


def test_the_rules_that_ship_have_names_of_their_own_and_ask_for_something() -> None:
    """A name leads to one rule, and no rule swallows all."""
    rules = read_rules().rules
    assert len({rule.name for rule in rules}) == len(rules)
    for rule in rules:
        assert rule.status or rule.subjects or rule.code or rule.words
    assert read_rules().version >= 1


def test_no_phrase_hides_behind_another_of_its_rule() -> None:
    """A phrase that contains a shorter one of the same rule is never the one."""
    for rule in read_rules().rules:
        for phrase in rule.words:
            others = [one for one in rule.words if one is not phrase and one in phrase]
            assert not others, (rule.name, phrase)


def test_hard_reasons_are_about_the_address() -> None:
    """What is about the sender, the mail or the time never suppresses."""
    hard = {rule.reason for rule in read_rules().rules if rule.kind is Kind.HARD}
    assert hard == {
        Reason.USER_UNKNOWN,
        Reason.MAILBOX_DISABLED,
        Reason.INVALID_ADDRESS,
        Reason.DOMAIN_UNKNOWN,
        Reason.UNKNOWN,
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Mailbox  FULL!", " mailbox full "),
        ("<bob@example.com>: doesn't", " doesn t "),
        ("(bob@example.com:blocked)", " blocked "),
        ("mx.spam.example[192.0.2.1]: no", " no "),
        ("host mx.spam.example [192.0.2.1]: no", " no "),
        ("client [192.0.2.1] blocked", " client 192 0 2 1 blocked "),
        ("", "  "),
    ],
)
def test_words_are_made_plain(text: str, words: str) -> None:
    """Only what the server says is left, in one spelling."""
    assert plain_words(text) == words


@given(st.text())
def test_plain_words_hold_letters_digits_and_single_blanks(text: str) -> None:
    """Whatever comes in, a phrase can be looked for in what comes out."""
    words = plain_words(text)
    assert all(one.isalnum() for one in words.split())
    assert words == f" {' '.join(words.split())} "

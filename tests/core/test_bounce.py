from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.bounce import (
    MAX_TEXT_CHARS,
    UNMATCHED,
    Kind,
    Reason,
    classify,
    classify_text,
)
from appliance.core.bounce_rules import read_rules

REPLIES = Path(__file__).with_name("bounce_replies.tsv")

# Whatever could steer: numbers, words of rules, marks, and other scripts.
TEXT = st.lists(
    st.one_of(
        st.text(max_size=20),
        st.sampled_from(
            ["550", "5.1.1", "450", "4.2.2", "user unknown", "spam", "said: ", "[", "@"]
        ),
    ),
    max_size=30,
).map(" ".join)


def replies() -> Iterator[tuple[str, Kind, Reason, str]]:
    """Who said it, what it means, and what was said."""
    lines = REPLIES.read_text(encoding="utf-8").splitlines()
    for line in lines[1:]:
        who, kind, reason, reply = line.split("\t")
        yield who, Kind(kind), Reason(reason), reply


@pytest.mark.parametrize(("who", "kind", "reason", "reply"), list(replies()))
def test_replies_of_the_world_are_understood(
    who: str, kind: Kind, reason: Reason, reply: str
) -> None:
    """Each server's way to refuse is read as what it means there."""
    verdict = classify_text(reply)
    assert (verdict.kind, verdict.reason) == (kind, reason), (who, verdict)


def test_every_rule_has_a_reply_that_needs_it() -> None:
    """A rule that no reply of ours reaches is one that nobody can judge."""
    fired = {classify_text(reply).rule for _, _, _, reply in replies()}
    assert {rule.name for rule in read_rules().rules} <= fired


def test_the_replies_are_many_and_of_all_families() -> None:
    """The file is worth something as a measure."""
    families = {who for who, _, _, _ in replies()}
    assert len(list(replies())) >= 80
    assert families >= {
        *("postfix", "exim", "exchange", "office365", "google", "yahoo", "qq"),
        *("mailru", "proofpoint", "mimecast", "barracuda", "qmail", "sendmail"),
    }


@pytest.mark.parametrize(
    "words",
    [
        *("user unknown", "unknown user", "no such user", "does not exist"),
        *("doesn't exist", "invalid recipient", "recipient rejected"),
        *("address rejected", "mailbox unavailable", "mailbox not found"),
        *("no mailbox", "account disabled", "account closed", "inactive"),
        *("domain not found", "host not found", "name or service not known"),
        "550 5.1",
    ],
)
def test_words_of_an_end_are_hard_without_any_number(words: str) -> None:
    """An agent may tell nothing but the words."""
    assert classify_text(words).kind is Kind.HARD
    assert classify_text(words.upper()).kind is Kind.HARD
    assert classify(550, "", words).kind is Kind.HARD


@pytest.mark.parametrize(
    "words",
    [
        *("mailbox full", "over quota", "quota exceeded", "try again", "temporarily"),
        *("greylist", "rate limit", "too many", "timed out", "timeout"),
        *("connection refused", "deferred", "too large", "spam", "blocked"),
        *("blacklist", "policy", "reputation", "dmarc", "spf"),
    ],
)
def test_words_of_a_bad_day_are_soft_behind_5xx_too(words: str) -> None:
    """A block or a full mailbox is no end of an address, however final it sounds."""
    assert classify_text(words).kind is Kind.SOFT
    assert classify(550, "", words).kind is Kind.SOFT
    assert classify(550, "", f"user unknown, {words}").kind is Kind.SOFT


def test_the_status_speaks_before_the_words() -> None:
    """What the server says by number it does not take back in prose."""
    assert classify(550, "5.1.1", "against our policy").kind is Kind.HARD
    assert classify(550, "5.2.2", "user unknown").kind is Kind.SOFT


@pytest.mark.parametrize("code", [553, 554])
@pytest.mark.parametrize("status", ["", "5.0.0", "5.5.0"])
def test_a_bare_553_or_554_suppresses_nobody(code: int, status: str) -> None:
    """Most are about the sender; what is about the address says so in words."""
    verdict = classify(code, status, "Sorry")
    assert (verdict.kind, verdict.reason) == (Kind.SOFT, Reason.REFUSED)
    assert classify(code, status, "no such user").reason is Reason.USER_UNKNOWN
    assert classify(code, "5.1.0", "Sorry").kind is Kind.HARD
    assert classify(550, status, "Sorry").kind is Kind.HARD


def test_a_status_that_contradicts_the_code_is_none() -> None:
    """One of the two is a lie, and the code decides (RFC 2034 4)."""
    verdict = classify(450, "5.1.1", "no")
    assert (verdict.kind, verdict.rule) == (Kind.SOFT, "rest-code")


def test_a_status_in_the_text_is_as_good() -> None:
    """Some put it at the end, in brackets."""
    assert classify(554, "", "no mailbox of that name (#5.1.1)").matched == "5.1.1"


def test_a_code_in_the_text_is_as_good() -> None:
    """Postfix logs ``dsn=5.0.0`` for a reply that has no status of its own."""
    text = "host mx.example.org[192.0.2.1] said: 552 bob@example.org (in reply to DATA)"
    assert classify(0, "5.0.0", text).rule == "rest-full"
    assert classify(0, "4.0.0", text).rule == "rest-status"


@pytest.mark.parametrize(
    "odd", ["5.1", "5.1.1.1", "x", "9.1.1", "5.1.1 ", "\u0665.1.1"]
)
def test_an_odd_status_is_none(odd: str) -> None:
    """Nothing is built on what is no status."""
    assert classify(550, odd, "").rule == "rest-code"


@pytest.mark.parametrize(
    "text",
    [
        "550 <spam.policy@blocked.example>: user unknown",
        "host greylist.example [192.0.2.1]: 550 user unknown",
        "host spam.example[192.0.2.1] said: 550 user unknown (in reply to RCPT TO)",
    ],
)
def test_names_do_not_word_the_refusal(text: str) -> None:
    """A recipient or a host may be called as a rule's words are."""
    assert classify_text(text).reason is Reason.USER_UNKNOWN


@pytest.mark.parametrize(
    "text",
    ["relay 5.1.1.1 took 550ms", "queued as 550abc", "from 192.0.2.550", "size 5501"],
)
def test_numbers_of_other_things_are_no_codes(text: str) -> None:
    """An address, an id or a size does not suppress anybody."""
    assert classify_text(text).rule == UNMATCHED


@pytest.mark.parametrize("text", ["", "250 2.0.0 Ok: queued as 4XyZ", "hello", "\0"])
def test_what_is_no_refusal_is_soft(text: str) -> None:
    """Doubt suppresses nobody."""
    verdict = classify_text(text)
    assert (verdict.kind, verdict.reason) == (Kind.SOFT, Reason.UNKNOWN)


@given(st.integers(1, 499), st.sampled_from(["", "4.1.1", "5.1.1"]), TEXT)
def test_only_the_permanent_is_hard(code: int, status: str, text: str) -> None:
    """No words make a reply below 500 the end of an address."""
    assert classify(code, status, text).kind is Kind.SOFT


@given(TEXT, st.integers(0, 28).filter(lambda detail: detail not in {17, 18}))
def test_policy_is_soft_but_for_named_unknowns(text: str, detail: int) -> None:
    """ATTACKS 24: only a known way to say "no such user" makes 5.7.x hard."""
    verdict = classify(550, f"5.7.{detail}", text)
    assert verdict.kind is Kind.SOFT or verdict.rule == "status-policy-but-unknown"


@given(TEXT)
def test_any_text_gets_a_verdict(text: str) -> None:
    """ATTACKS 24, 25: whatever a stranger's server says, the answer is one of ours."""
    verdict = classify_text(text)
    known = {rule.name for rule in read_rules().rules} | {UNMATCHED}
    assert verdict.rule in known
    assert verdict == classify_text(text)


@given(TEXT, st.sampled_from(["550 ", "5.1.1 ", "spam ", "a" * 99, "[", "host x "]))
def test_only_the_beginning_is_read(text: str, more: str) -> None:
    """ATTACKS 25: a megabyte costs what its first four kilobytes cost."""
    long = (text + " " * MAX_TEXT_CHARS)[:MAX_TEXT_CHARS]
    assert classify_text(long + more * 10_000) == classify_text(long)
    assert classify(550, "", long + more * 10_000) == classify(550, "", long)


@pytest.mark.parametrize(
    "unit", ["host ", "5.1.", "550-", "a@", "[", "said: ", "(", "550 5.", "İ", "'5"]
)
def test_a_repeated_beginning_of_a_match_costs_little(unit: str) -> None:
    """No pattern goes back and forth over a text that almost fits again and again."""
    text = unit * MAX_TEXT_CHARS
    for _ in range(50):  # a quadratic search takes minutes, and the test its timeout
        classify_text(text)

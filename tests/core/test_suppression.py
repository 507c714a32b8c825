"""What is suppressed, and how it is known."""

from uuid import UUID

import pytest

from appliance.core.address import Address
from appliance.core.ids import SubAccountId
from appliance.core.suppression import (
    ANY_MAIL,
    EVERYTHING,
    Mail,
    Scope,
    Source,
    Stop,
    Suppression,
    SuppressionReason,
    WholeDomain,
    is_topic,
    suppressed_text,
)

NEWS, SHOP = Scope("news"), Scope("", "shop.example")


def test_the_key_of_a_domain_is_that_of_no_address() -> None:
    """So both are found in one table by what is equal."""
    assert WholeDomain("x.example").key == "@x.example"
    assert Address('""', "x.example").key != "@x.example"


@pytest.mark.parametrize(
    ("key", "shown"), [("@x.example", "*@x.example"), ("b@x.example", "b@x.example")]
)
def test_an_entry_is_shown_as_it_is_written(key: str, shown: str) -> None:
    """What is shown can be typed."""
    why, by = SuppressionReason.HARD_BOUNCE, Source.HAND
    one = Suppression(1, UUID(int=1), SubAccountId(1), key, why, 1, "", by, None)
    assert one.target == shown


def test_the_words_name_the_reason() -> None:
    """What support searches for, and the kind of suppression (spec 8.3)."""
    said = suppressed_text(
        Address("Bob", "x.example"), Stop(SuppressionReason.HARD_BOUNCE)
    )
    assert said == "Recipient is suppressed: Bob@x.example (hard bounce)"


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (EVERYTHING, "unsubscribe"),
        (NEWS, "unsubscribe, topic news"),
        (SHOP, "unsubscribe, mail from shop.example"),
    ],
)
def test_the_words_name_the_mail(scope: Scope, words: str) -> None:
    """So that nobody looks for an entry that stops everything."""
    assert Stop(SuppressionReason.UNSUBSCRIBE, scope).label == words


@pytest.mark.parametrize(
    ("mail", "scopes"),
    [
        (Mail("news", "shop.example"), {EVERYTHING, NEWS, SHOP}),
        (Mail("", "shop.example"), {EVERYTHING, SHOP}),
        (
            Mail("other", "x.example"),
            {EVERYTHING, Scope("other"), Scope("", "x.example")},
        ),
        (ANY_MAIL, {EVERYTHING}),
    ],
)
def test_a_mail_is_in_the_scope_of_its_own_topic_and_domain(
    mail: Mail, scopes: set[Scope]
) -> None:
    """One without a topic is stopped by no topic's entry (spec 12)."""
    assert set(mail.scopes) == scopes
    assert mail.scopes[0] == EVERYTHING


def test_an_end_is_the_first_moment_that_does_not_count() -> None:
    """To the nanosecond; no end is never."""
    why = SuppressionReason.MANUAL
    assert [Stop(why, expires_ns=5).holds(at_ns) for at_ns in (4, 5)] == [True, False]
    assert Stop(why).holds(2**62)


@pytest.mark.parametrize(
    ("text", "fits"),
    [("news", True), ("list:a.b_c-1", True), ("*", False), ("", False), ("a b", False)],
)
def test_a_topic_is_a_short_word(text: str, *, fits: bool) -> None:
    """A star means all of them, and is none."""
    assert is_topic(text) is fits
    assert not is_topic("x" * 65)


def test_reasons_and_sources_share_their_numbers() -> None:
    """A source that is not named is the one of the reason."""
    for reason in SuppressionReason:
        assert Source(reason) is not None

"""What is suppressed, and how it is known."""

from uuid import UUID

import pytest

from appliance.core.address import Address
from appliance.core.ids import SubAccountId
from appliance.core.suppression import (
    Source,
    Suppression,
    SuppressionReason,
    WholeDomain,
    suppressed_text,
)


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
    said = suppressed_text(Address("Bob", "x.example"), SuppressionReason.HARD_BOUNCE)
    assert said == "Recipient is suppressed: Bob@x.example (hard bounce)"


def test_reasons_and_sources_share_their_numbers() -> None:
    """A source that is not named is the one of the reason."""
    for reason in SuppressionReason:
        assert Source(reason) is not None

import pytest

from appliance.core.fields import is_field_name, is_reserved_field


@pytest.mark.parametrize(
    "name",
    [
        "From",
        "TO",
        "subject",
        "Reply-To",
        "Bcc",
        "Message-ID",
        "Content-Type",
        "content-anything",
        "DKIM-Signature",
        "Received",
        "Return-Path",
        "Resent-From",
        "ARC-Seal",
        "MIME-Version",
        "Sender",
    ],
)
def test_the_house_writes_its_own_fields(name: str) -> None:
    """ATTACKS 9: what identifies, routes or structures a mail is not overridden."""
    assert is_reserved_field(name)


@pytest.mark.parametrize(
    "name",
    ["X-Anything", "List-Unsubscribe", "In-Reply-To", "References", "Feedback-ID"],
)
def test_other_fields_are_the_senders(name: str) -> None:
    """Threading, list and own fields are what extra headers are for."""
    assert not is_reserved_field(name)


@pytest.mark.parametrize("name", ["X-A", "x", "List-Unsubscribe", "X_1", "X" * 76])
def test_a_field_name_is_taken(name: str) -> None:
    """Names of printable ASCII without a colon name fields."""
    assert is_field_name(name)


@pytest.mark.parametrize(
    "name", ["", "X A", "X:", "X\r\nBcc", "Ü", "X\t", "X\n", "X" * 77]
)
def test_a_name_that_names_no_field_is_refused(name: str) -> None:
    """ATTACKS 9: a name cannot end itself and begin another header."""
    assert not is_field_name(name)

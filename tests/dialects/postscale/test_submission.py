from uuid import UUID

from appliance.core.submission import NO_DIMENSIONS, Dimensions
from appliance.dialects.postscale.submission import PostscaleSubmission
from appliance.dialects.submission import Rules, SubmissionDialect
from tests.dialects.reply_table import check_row, rows

DIALECT: SubmissionDialect = PostscaleSubmission()
MESSAGE = UUID("018f4f3e-7b2c-7c80-8e21-1a3a4f5b6c7d")
COPY = UUID("018f4f3e-7b2d-7000-9a00-0123456789ab")


@rows(__file__)
def test_a_refusal_is_said_in_the_words_of_the_table(row: str) -> None:
    """Spec 5.4, row by row."""
    check_row(DIALECT, row)


def test_the_login_is_answered() -> None:
    """Spec 5.1 leaves the words open; these are those of RFC 4954 4."""
    assert str(DIALECT.logged_in()) == "235 2.7.0 Authentication successful"


def test_one_mail_has_one_id() -> None:
    """Spec 5.2: one DATA is one record, whoever gets it."""
    assert str(DIALECT.accepted(MESSAGE, [MESSAGE, COPY])) == (
        "250 2.0.0 Ok: queued as 018f4f3e-7b2c-7c80-8e21-1a3a4f5b6c7d"
    )


def test_only_the_one_from_is_checked() -> None:
    """Spec 5.2 and 5.4: a foreign envelope sender is replaced, not refused."""
    assert DIALECT.rules == Rules(
        checks_envelope=False,
        refuses_suppressed=True,
        one_sender=True,
        max_recipients=100,
        max_bytes=52_428_800,
    )


def test_metadata_is_read_and_stays_in_the_mail() -> None:
    """Spec 5.3: every receiving system sees these headers."""
    headers = [("x-postscale-metadata-order-id", "ord_456"), ("x-campaign", "a")]
    assert DIALECT.read_dimensions(headers) == Dimensions(
        metadata={"order-id": "ord_456"}
    )
    assert not any(DIALECT.strips(name) for name, _ in headers)


def test_mail_without_metadata_has_no_dimensions() -> None:
    """The common case costs the store nothing."""
    assert DIALECT.read_dimensions([("subject", "Hi")]) is NO_DIMENSIONS

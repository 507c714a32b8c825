from uuid import UUID

from appliance.core.ids import uuid7
from appliance.core.submission import Dimensions
from appliance.dialects.anypost.submission import AnypostSubmission
from appliance.dialects.submission import Rules, SubmissionDialect
from tests.dialects.reply_table import check_row, rows

DIALECT: SubmissionDialect = AnypostSubmission()
FIRST = UUID("018f4f3e-7b2c-7c80-8e21-1a3a4f5b6c7d")
SECOND = UUID("018f4f3e-7b2d-7000-9a00-0123456789ab")


@rows(__file__)
def test_a_refusal_is_said_in_the_words_of_the_table(row: str) -> None:
    """Spec 15.4, row by row; both sender checks say which of them it was."""
    check_row(DIALECT, row)


def test_the_login_is_answered_as_documented() -> None:
    """Spec 15.4: AUTH ok."""
    assert str(DIALECT.logged_in()) == "235 2.7.0 AUTH OK!"


def test_each_recipient_has_an_id_in_the_answer() -> None:
    """`250 OK ids=` is literal, in RCPT order, without an enhanced code (spec 15.7)."""
    reply = DIALECT.accepted(FIRST, [FIRST, SECOND])
    assert str(reply) == (
        "250 OK ids=email_018f4f3e-7b2c-7c80-8e21-1a3a4f5b6c7d"
        " email_018f4f3e-7b2d-7000-9a00-0123456789ab"
    )
    assert reply.enhanced is None


def test_a_hundred_ids_stay_on_one_line() -> None:
    """Python's client reads 8,192 octets of a line; so many recipients fit."""
    ids = [uuid7() for _ in range(DIALECT.rules.max_recipients)]
    (line,) = DIALECT.accepted(ids[0], ids).lines
    assert line == "OK ids=" + " ".join(f"email_{one}" for one in ids)
    assert len(line) < 8_000


def test_both_senders_are_checked() -> None:
    """Spec 15.2, 15.3, U4, U32; a suppressed recipient gets an id (15.7)."""
    assert DIALECT.rules == Rules(
        checks_envelope=True,
        refuses_suppressed=False,
        one_sender=False,
        max_recipients=100,
        max_bytes=5_242_880,
    )


def test_headers_are_read_and_stripped() -> None:
    """The door needs no other file of this dialect."""
    headers = [("x-campaign", "spring"), ("subject", "Hi")]
    assert DIALECT.read_dimensions(headers) == Dimensions(campaign="spring")
    assert [name for name, _ in headers if DIALECT.strips(name)] == ["x-campaign"]

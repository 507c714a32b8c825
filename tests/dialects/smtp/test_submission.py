from uuid import UUID

import pytest

from appliance.core.submission import NO_DIMENSIONS
from appliance.dialects.smtp.submission import SmtpSubmission
from appliance.dialects.submission import SubmissionDialect
from tests.dialects.reply_table import check_row, rows

DIALECT: SubmissionDialect = SmtpSubmission()
MESSAGE = UUID("018f4f3e-7b2c-7c80-8e21-1a3a4f5b6c7d")


@rows(__file__)
def test_a_refusal_is_said_in_the_words_of_the_table(row: str) -> None:
    """The table of the page, row by row."""
    check_row(DIALECT, row)


def test_the_answers_are_those_of_a_mail_server() -> None:
    """Programs log them, people search their logs by the id."""
    assert str(DIALECT.logged_in()) == "235 2.7.0 Authentication successful"
    assert str(DIALECT.accepted(MESSAGE, [MESSAGE])) == (
        "250 2.0.0 Ok: queued as 018f4f3e-7b2c-7c80-8e21-1a3a4f5b6c7d"
    )


def test_any_mail_program_may_send() -> None:
    """A senseless envelope sender does no harm; the limit of size is the operator's."""
    rules = DIALECT.rules
    assert not rules.checks_envelope
    assert not rules.one_sender
    assert rules.refuses_suppressed
    assert rules.max_bytes is None


@pytest.mark.parametrize("name", ["x-campaign", "x-anypost-tag", "x-mailer", "list-id"])
def test_no_header_is_read_or_stripped(name: str) -> None:
    """They may be meant for a campaign tool of the recipient's."""
    assert DIALECT.read_dimensions([(name, "a")]) is NO_DIMENSIONS
    assert not DIALECT.strips(name)

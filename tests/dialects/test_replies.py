import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.ids import uuid7
from appliance.core.refusal import Reason, Refusal
from appliance.dialects.login import find_dialect
from appliance.dialects.replies import MAX_TEXT_CHARS
from appliance.dialects.submission import Moment, SubmissionDialect
from appliance.smtp.reply import Reply, ReplyReader

DIALECTS = [
    find_dialect(name) for name in ("anypost", "postscale", "smtp_0123456789ab")
]
FIELDS = ["", "envelope", "from", "to", "pool", "X-Header"]
HOSTILE = 'bob\r\n250 2.0.0 Ok\x00\x1b[31m\u202e\ud800\u00e9"{detail}{0}'

dialects = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.name.value)


def read_back(reply: Reply) -> list[Reply]:
    """What a client reads of the reply."""
    reader = ReplyReader()
    reader.feed(reply.encode())
    found = iter(reader.next_reply, None)
    return list(found)


@dialects
@given(
    reason=st.sampled_from(Reason),
    field=st.sampled_from(FIELDS) | st.text(),
    detail=st.text() | st.text("\r\n\0 5.{}"),
    moment=st.sampled_from(Moment),
)
def test_any_refusal_is_one_sound_reply(
    dialect: SubmissionDialect,
    reason: Reason,
    field: str,
    detail: str,
    moment: Moment,
) -> None:
    """ATTACKS 6: whatever an address or a header holds, the reply is one line.

    It is a 4xx or 5xx, the enhanced code is of the same class (RFC 2034 4), and a
    client reads exactly what was meant.
    """
    reply = dialect.refuse(Refusal(reason, field, detail), moment)
    assert reply.is_refusal
    assert reply.enhanced is not None
    assert reply.enhanced.severity == reply.severity
    assert reply.text.isascii()
    assert reply.text.isprintable()
    assert len(reply.text) <= MAX_TEXT_CHARS
    assert read_back(reply) == [reply]


@dialects
@pytest.mark.parametrize("reason", list(Reason))
@pytest.mark.parametrize("moment", list(Moment))
def test_every_reason_has_words(
    dialect: SubmissionDialect, reason: Reason, moment: Moment
) -> None:
    """A new reason in core cannot be forgotten here, and never reads empty."""
    assert dialect.refuse(Refusal(reason), moment).text


@dialects
def test_hostile_text_is_shown_and_harmless(dialect: SubmissionDialect) -> None:
    """ATTACKS 6: line ends, terminal codes and placeholders come out as text."""
    refusal = Refusal(Reason.RECIPIENT_INVALID, "to", HOSTILE)
    assert dialect.refuse(refusal, Moment.RCPT).text == (
        r"bob\r\n250 2.0.0 Ok\x00\x1b[31m\u202e\ud800\xe9" + '"{detail}{0}'
    )


@dialects
def test_endless_text_is_cut(dialect: SubmissionDialect) -> None:
    """ATTACKS 4: a reply line keeps to the 512 octets of RFC 5321 4.5.3.1.5."""
    refusal = Refusal(Reason.INVALID_VALUE, "X-A" * 500, "\u00e9" * 1_000_000)
    assert len(dialect.refuse(refusal, Moment.END).encode()) <= 512


@dialects
def test_all_that_is_wrong_with_a_login_sounds_the_same(
    dialect: SubmissionDialect,
) -> None:
    """ATTACKS 3: nobody learns from the words which part was wrong."""
    passing = {Reason.STORE_UNAVAILABLE}
    said = {
        str(dialect.refuse(Refusal(reason, "ip", f"because {reason}"), Moment.LOGIN))
        for reason in set(Reason) - passing
    }
    assert len(said) == 1
    assert said.pop().startswith("535 5.7.8 ")


@dialects
@pytest.mark.parametrize("reason", [Reason.UNKNOWN_POOL, Reason.POOL_EMPTY])
def test_a_fault_of_the_operators_does_not_lose_mail(
    dialect: SubmissionDialect, reason: Reason
) -> None:
    """The sender's program keeps the mail until there is somewhere to send it."""
    assert dialect.refuse(Refusal(reason), Moment.END).severity == 4


@dialects
def test_success_is_2xx(dialect: SubmissionDialect) -> None:
    """Clients go by the class alone, and by the code at a login (RFC 4954 4)."""
    assert dialect.logged_in().code == 235
    assert dialect.accepted(uuid7(), [uuid7()]).code == 250

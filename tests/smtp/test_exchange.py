"""What the answers to an envelope come to, whatever they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.smtp.client_moves import Verb
from appliance.smtp.exchange import Exchange, Transaction, needs_utf8, objection
from appliance.smtp.grammar import Capabilities, wire_content
from appliance.smtp.outcome import Obstacle, Rejected, Stage
from appliance.smtp.reply import Reply

CONTENT = b"a: b\r\n\r\nc\r\n"
replies = st.sampled_from([Reply(code, ("x",)) for code in (250, 251, 421, 450, 550)])


def to(*recipients: str, content: bytes = CONTENT) -> Transaction[int]:
    """A mail for these."""
    return Transaction(1, "a@s.test", recipients, content)


@given(replies, st.lists(replies, min_size=1, max_size=5))
def test_each_recipient_is_taken_or_refused(mail: Reply, rcpts: list[Reply]) -> None:
    """The refusals in order, each with its recipient; DATA is next behind the last.

    If nobody is left the mail is refused, by MAIL's answer before the first RCPT's.
    """
    people = tuple(f"{number}@r.test" for number in range(len(rcpts)))
    exchange = Exchange(to(*people), wire_content(CONTENT))
    assert (exchange.stage, exchange.touched) == (Stage.MAIL, False)
    exchange.take(Verb.RSET, Reply(250, ("x",)))
    assert (exchange.stage, exchange.touched) == (Stage.MAIL, False)
    exchange.take(Verb.MAIL, mail)
    for reply in rcpts:
        assert (exchange.stage, exchange.touched) == (Stage.RCPT, True)
        exchange.take(Verb.RCPT, reply)
    assert exchange.stage is Stage.DATA
    refused = [pair for pair in zip(people, rcpts, strict=True) if pair[1].is_refusal]
    assert [(one.recipient, one.reply) for one in exchange.refused] == refused
    assert exchange.taken == len(people) - len(refused)
    if mail.is_refusal:
        assert exchange.refusal == Rejected(Stage.MAIL, mail)
    elif not exchange.taken:
        assert exchange.refusal == Rejected(Stage.RCPT, rcpts[0])
    else:
        assert exchange.refusal is None


@pytest.mark.parametrize(
    ("transaction", "obstacle"),
    [
        (to("b@r.test"), None),
        (to(), Obstacle.NO_RECIPIENT),
        (to("b@r.test", "c@r.test\n"), Obstacle.BAD_ADDRESS),
        (to("\u00fc@r.test"), Obstacle.NEEDS_SMTPUTF8),
        (to("b@r.test", content=b"a: b\r\n\r\n\xff\r\n"), Obstacle.NEEDS_8BITMIME),
        (to("b@r.test", content=CONTENT + b"d\r\n" * 40), Obstacle.TOO_LARGE),
    ],
)
def test_a_server_without_extensions_takes_plain_mail_only(
    transaction: Transaction[int], obstacle: Obstacle | None
) -> None:
    """RFC 6152, RFC 6531: what was not offered is not used."""
    content = wire_content(transaction.content)
    assert objection(transaction, content, Capabilities(size=100)) is obstacle


def test_one_header_beyond_ascii_needs_utf8() -> None:
    """RFC 6532: a body does not."""
    plain = to("b@r.test")
    assert needs_utf8(plain, wire_content(b"a: \xc3\xbc\r\n\r\nb\r\n"))
    assert not needs_utf8(plain, wire_content(b"a: b\r\n\r\n\xc3\xbc\r\n"))

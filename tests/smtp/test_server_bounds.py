"""Megabytes of everything that could be endless, and what is held of them."""

from dataclasses import replace

import pytest

from appliance.smtp.inbox import MAX_AUTH_LINE_BYTES, MAX_LINE_BYTES
from tests.smtp.talk import ENVELOPE, MANNERS, Talk, in_content, ready

PIECE = 16 * 1024
MEGABYTES = 2 * 1024 * 1024
# A session that is not ended by its manners, so that memory alone is at stake.
ENDLESS = replace(
    MANNERS,
    max_size=100_000,
    max_messages=10**9,
    max_commands=10**9,
    max_errors=10**9,
)


def most_held(talk: Talk, pattern: bytes, size: int = MEGABYTES) -> int:
    """The most that was in memory while so many bytes of a pattern came in."""
    stream = pattern * (size // len(pattern) + 1)
    talk.hear(*(stream[at : at + PIECE] for at in range(0, size, PIECE)))
    assert not talk.server.is_closed
    return talk.most_held


@pytest.mark.parametrize(
    ("begin", "pattern", "bound"),
    [
        (b"", b"x", MAX_LINE_BYTES),
        (b"", b"\r", MAX_LINE_BYTES),
        (b"", b"\0", MAX_LINE_BYTES),
        (b"MAIL FROM:<", b"a", MAX_LINE_BYTES),
        (b"EHLO ", b"a", MAX_LINE_BYTES),
        (b"AUTH PLAIN ", b"A", MAX_AUTH_LINE_BYTES),
        (b"AUTH LOGIN\r\n", b"A", MAX_AUTH_LINE_BYTES),
    ],
)
@pytest.mark.parametrize("encrypted", [True, False])
def test_endless_line(
    begin: bytes,
    pattern: bytes,
    bound: int,
    encrypted: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """ATTACKS 4: a line that does not end is thrown away, and refused at its end."""
    talk = Talk(ENDLESS, encrypted=encrypted)
    talk.hear(b"EHLO me.test\r\n" + begin)
    assert most_held(talk, pattern) <= bound + PIECE
    assert talk.server.held_bytes == 1  # it may be the CR of the end
    assert talk.codes(b"\r\nNOOP\r\n")[-1] == "250 2.0.0"


@pytest.mark.parametrize(
    "pattern",
    [
        b"x",
        b"X-Header: endless\r\n",
        b"..\r\n",
        b"\r\n..",
        b".\n",
        b"\n",
        b"\r",
        b"\0",
        b"\r\n.\r",
    ],
)
def test_endless_data(pattern: bytes) -> None:
    """ATTACKS 4: a message without end, without lines, of headers or of dots."""
    talk = in_content(ENDLESS)
    # One byte in four can be a dot that is no content.
    assert most_held(talk, pattern) <= ENDLESS.max_size * 4 // 3 + PIECE + 8
    assert talk.server.content_bytes <= 8
    assert talk.codes(b"\r\n.\r\n") == ["552 5.3.4"]
    assert talk.contents() == []


def test_endless_chunk() -> None:
    """ATTACKS 4: a chunk of any size is read and dropped, its count is kept."""
    talk = ready(ENDLESS)
    size = (MEGABYTES // PIECE) * PIECE
    talk.hear(ENVELOPE + b"BDAT %d\r\n" % (size + 1))
    assert most_held(talk, b"x", size) <= ENDLESS.max_size + PIECE
    assert talk.server.content_bytes == 0
    assert talk.codes(b"xNOOP\r\n") == ["552 5.3.4", "250 2.0.0"]


def test_endless_chunks() -> None:
    """ATTACKS 4: many small chunks add up to no more than one message."""
    talk = ready(ENDLESS)
    talk.hear(ENVELOPE)
    bound = ENDLESS.max_size + 8 * PIECE  # with the replies to one piece
    assert most_held(talk, b"BDAT 1000\r\n" + b"x" * 1_000) <= bound


@pytest.mark.parametrize(
    "pattern",
    [
        b"NOOP\r\n",
        b"HELP\r\n",
        b"EHLO me.test\r\n",
        b"RSET\r\n",
        b"\r\n",
        b"WHAT\r\n",
        b"MAIL FROM:<a@s.test>\r\nRSET\r\n",
        b"BDAT 0\r\n",
        b"AUTH LOGIN\r\n",
    ],
)
def test_endless_commands(pattern: bytes) -> None:
    """ATTACKS 4: what is unsent is at most the replies to what came at once."""
    talk = ready(ENDLESS)
    most = most_held(talk, pattern, MEGABYTES // 32)
    assert most <= PIECE * 40
    assert talk.server.held_bytes <= MAX_LINE_BYTES


def test_hundred_thousand_recipients() -> None:
    """ATTACKS 4: the limit is kept, and in the end the session is over."""
    talk = ready(replace(MANNERS, max_commands=50_000))
    talk.hear(b"MAIL FROM:<a@s.test>\r\n")
    line = b"RCPT TO:<someone@r.test>\r\n" * 500
    codes = talk.codes(*[line] * 200)
    assert codes.count("250 2.1.0") == MANNERS.max_recipients
    assert codes.count("452 4.5.3") + MANNERS.max_recipients == 50_000 - 3
    assert codes[-1] == "421 4.7.0"


def test_one_byte_at_a_time() -> None:
    """ATTACKS 4: a slow client holds its line and nothing else."""
    talk = ready()
    for octet in ENVELOPE + b"DATA\r\n" + b"x" * 500:
        talk.hear(bytes([octet]))
    assert talk.most_held < 600


def test_closed_session_holds_nothing() -> None:
    """Whatever is fed to a session that is over is gone at once."""
    talk = in_content()
    talk.hear(b"x" * 500)
    talk.server.close()
    talk.server.receive_data(b"x" * 1_000_000)
    assert talk.server.held_bytes == 0

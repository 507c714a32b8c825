import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.smtp.inbox import MAX_AUTH_LINE_BYTES, MAX_LINE_BYTES, Inbox
from appliance.smtp.reply import Reply
from appliance.smtp.server_words import BARE_LINE_END, LINE_TOO_LONG, RESPONSE_TOO_LONG
from tests.smtp.talk import chop


def words(refusal: Reply) -> str:
    """What a line earned that is none."""
    return str(refusal)


def read_all(pieces: list[bytes], *, in_auth: bool = False) -> list[bytes | str]:
    """All lines of the stream; a refusal as its code, at its place."""
    inbox = Inbox()
    found: list[bytes | str] = []
    for piece in pieces:
        inbox.feed(piece)
        while (line := inbox.next_line(in_auth=in_auth)) is not None:
            found.append(line if isinstance(line, bytes) else words(line))
        assert inbox.waiting < MAX_AUTH_LINE_BYTES
    return found


def test_line_ends_with_crlf_alone() -> None:
    """An LF alone gets a refusal of its own, behind a line of any length."""
    assert read_all([b"NOOP\r\n\r\nA\rB\r\n"]) == [b"NOOP", b"", b"A\rB"]
    for line in (b"", b"NOOP", b"x" * MAX_LINE_BYTES):
        for pieces in ([line + b"\n"], [line, b"\n"]):
            assert read_all(pieces) == [words(BARE_LINE_END)]


@pytest.mark.parametrize(
    ("start", "in_auth", "longest", "refusal"),
    [
        (b"", False, MAX_LINE_BYTES, LINE_TOO_LONG),
        (b"AUTHOR ", False, MAX_LINE_BYTES, LINE_TOO_LONG),
        (b"auth ", False, MAX_AUTH_LINE_BYTES, RESPONSE_TOO_LONG),
        (b"", True, MAX_AUTH_LINE_BYTES, RESPONSE_TOO_LONG),
    ],
)
def test_line_is_as_long_as_its_kind_may_be(
    start: bytes,
    in_auth: bool,  # noqa: FBT001 - a parameter of the test
    longest: int,
    refusal: Reply,
) -> None:
    """ATTACKS 3: 12,288 octets for AUTH (RFC 4954 4), 2,048 for the others."""
    fits = start + b"x" * (longest - 2 - len(start))
    for line, found in ((fits, fits), (fits + b"x", words(refusal))):
        stream = line + b"\r\nNOOP\r\n"
        expected = [found, b"NOOP"]
        assert read_all([stream], in_auth=in_auth) == expected
        singly = [bytes([octet]) for octet in stream]
        assert read_all(singly, in_auth=in_auth) == expected
        # The line end itself may be what is cut.
        for at in (len(line), len(line) + 1):
            halves = [stream[:at], stream[at:]]
            assert read_all(halves, in_auth=in_auth) == expected


STREAM = st.lists(
    st.sampled_from(
        [
            b"NOOP\r\n",
            b"\n",
            b"\r",
            b"AUTH ",
            b"x" * (MAX_LINE_BYTES - 2),
            b"x" * (MAX_AUTH_LINE_BYTES - 7),
            b"x",
        ]
    ),
    max_size=8,
).map(b"".join)


@given(STREAM, st.lists(st.integers(0, 40_000), max_size=9), st.booleans())
def test_any_chopping_gives_the_same_lines(
    stream: bytes,
    cuts: list[int],
    in_auth: bool,  # noqa: FBT001 - drawn
) -> None:
    """Lines and refusals do not depend on how the network cut the stream."""
    whole = read_all([stream], in_auth=in_auth)
    assert read_all(chop(stream, cuts), in_auth=in_auth) == whole


def test_what_is_taken_is_gone() -> None:
    """Content is taken from between two lines."""
    inbox = Inbox()
    inbox.feed(b"BDAT 3\r\nab")
    assert inbox.next_line() == b"BDAT 3"
    assert inbox.take(3) == b"ab"
    inbox.feed(b"cNOOP\r\n")
    assert inbox.take(1) == b"c"
    assert inbox.begins_with(b"N")
    assert inbox.next_line() == b"NOOP"
    assert inbox.waiting == 0


def test_clearing_forgets_a_line_that_is_being_dropped() -> None:
    """What was begun before is no part of what comes after."""
    inbox = Inbox()
    assert not inbox.clear()
    inbox.feed(b"x" * MAX_LINE_BYTES)
    assert inbox.next_line() is None
    assert inbox.waiting == 1
    assert not inbox.begins_with(b"")
    assert inbox.clear()
    inbox.feed(b"NOOP\r\n")
    assert inbox.next_line() == b"NOOP"

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.smtp.errors import LocalProtocolError, RemoteProtocolError
from appliance.smtp.reply import (
    MAX_LINE_BYTES,
    MAX_REPLY_LINES,
    EnhancedCode,
    Reply,
    ReplyReader,
    parse_enhanced,
    printable,
)


def read_all(chunks: list[bytes]) -> list[Reply | str]:
    """All replies of the stream; its error as a text, at its place."""
    reader = ReplyReader()
    found: list[Reply | str] = []
    for chunk in chunks:
        reader.feed(chunk)
        try:
            while (reply := reader.next_reply()) is not None:
                found.append(reply)
        except RemoteProtocolError as error:
            return [*found, str(error)]
    return found


def only_reply(raw: bytes) -> Reply:
    """The one reply in these bytes."""
    [reply] = read_all([raw])
    assert isinstance(reply, Reply)
    return reply


def chop(data: bytes, cuts: list[int]) -> list[bytes]:
    """The data in pieces, cut at these places."""
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(places)]


REPLY_PIECES = st.sampled_from(
    [
        b"250 2.1.0 ok\r\n",
        b"250-first\r\n",
        b"250 last\n",
        b"550-5.1.1 no\r\n550 5.1.1 body\r\n",
        b"354\r\n",
        b"421 \xff\xfe\r\n",
        b"250-" + b"x" * 1_993 + b"\r\n",
        b"250-" + b"x" * 1_994 + b"\r\n",
        b"nonsense\r\n",
        b"\r",
        b"\n",
    ]
)


@given(st.lists(REPLY_PIECES, max_size=8), st.lists(st.integers(0, 20_000)))
def test_any_chopping_gives_the_same_replies(
    pieces: list[bytes], cuts: list[int]
) -> None:
    """Replies and errors do not depend on how the network cut the stream."""
    stream = b"".join(pieces)
    assert read_all(chop(stream, cuts)) == read_all([stream])


@given(st.binary(max_size=300))
def test_any_bytes_give_a_printable_reply_or_a_protocol_error(data: bytes) -> None:
    """ATTACKS 23: whatever an upstream sends, nothing else is raised or shown."""
    for found in read_all([data, b"\r\n"]):
        assert str(found).isprintable()


def test_multi_line_reply_is_one_reply_without_codes() -> None:
    """The words of all lines are kept, the code and enhanced code once."""
    reply = only_reply(b"550-5.1.1 no such\r\n550 5.1.1 user\r\n")
    assert reply == Reply(550, ("no such", "user"), EnhancedCode(5, 1, 1))
    assert str(reply) == "550 5.1.1 no such user"


@pytest.mark.parametrize("raw", [b"250\r\n", b"250 \r\n", b"250\n"])
def test_reply_may_lack_text_and_carriage_return(raw: bytes) -> None:
    """A bare code and LF endings are tolerated, as real servers send them."""
    assert only_reply(raw) == Reply(250, ("",))
    assert str(only_reply(raw)) == "250"


@pytest.mark.parametrize(
    "raw",
    [
        b"250-one\r\n251 two\r\n",
        b"25 ok\r\n",
        b"999 ok\r\n",
        b"150 ok\r\n",
        b"250ok\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\r\n",
        "\u0662\u0665\u0660 ok\r\n".encode(),
    ],
)
def test_what_is_no_reply_is_a_protocol_error(raw: bytes) -> None:
    """Mismatching codes and other noise are never read as an answer."""
    [found] = read_all([raw])
    assert isinstance(found, str)


def test_multi_line_reply_without_end_is_cut_off() -> None:
    """ATTACKS 23: a reply ends after so many lines, and memory is bounded."""
    reader = ReplyReader()
    reader.feed(b"250-more\r\n" * (MAX_REPLY_LINES + 1))
    with pytest.raises(RemoteProtocolError, match="does not end"):
        reader.next_reply()


def test_reply_of_long_lines_is_cut_off_by_its_size() -> None:
    """ATTACKS 23: lines within bounds do not add up to more than 64 KiB."""
    line = b"250-" + b"x" * 1_900 + b"\r\n"
    assert read_all([line] * 34) == []
    assert read_all([line] * 35) == ["a reply does not end"]


def test_line_without_end_is_cut_off() -> None:
    """ATTACKS 23: 100 MB without a newline stop at the first 2,000 bytes."""
    reader = ReplyReader()
    reader.feed(b"250 " + b"x" * (MAX_LINE_BYTES - 5))
    assert reader.next_reply() is None
    reader.feed(b"x")
    with pytest.raises(RemoteProtocolError, match="too long"):
        reader.next_reply()


@pytest.mark.parametrize(
    ("text", "severity", "expected"),
    [
        ("5.1.1 no", 5, (5, 1, 1)),
        ("2.0.0", 2, (2, 0, 0)),
        ("4.999.999 x", 4, (4, 999, 999)),
        ("5.1 no", 5, None),
        ("5.1. no", 5, None),
        ("5.1.1.1 no", 5, None),
        ("5.1.1000 no", 5, None),
        ("5.1.1no", 5, None),
        ("2.1.1 no", 5, None),
        ("3.1.1 no", 3, None),
        ("5.\u0661.1 no", 5, None),
        ("-5.1.1 no", 5, None),
        ("", 5, None),
    ],
)
def test_enhanced_code_is_read_with_suspicion(
    text: str, severity: int, expected: tuple[int, int, int] | None
) -> None:
    """ATTACKS 23, CVE-2026-43964: two numbers, or any other, are just words."""
    assert parse_enhanced(text, severity) == expected


def test_malformed_enhanced_code_stays_in_the_text() -> None:
    """Nothing the operator should read is lost with a code that is none."""
    assert only_reply(b"550 5.1 no\r\n").text == "5.1 no"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"a\x1b[31mb", "a\ufffd[31mb"),
        (b"a\tb\x00c", "a b\ufffdc"),
        ("a\u202eb\u2028c\u00a0d".encode(), "a\ufffdb\ufffdc d"),
        (b"caf\xe9", "caf\ufffd"),
        ("caf\u00e9".encode(), "caf\u00e9"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
    ],
)
def test_text_is_made_harmless(raw: bytes, shown: str) -> None:
    """Terminal codes, direction overrides and broken UTF-8 cannot be shown."""
    assert printable(raw) == shown


@pytest.mark.parametrize(
    ("reply", "raw"),
    [
        (Reply(250), b"250 \r\n"),
        (Reply(250, ()), b"250 \r\n"),
        (Reply(334, ("VXNlcm5hbWU6",)), b"334 VXNlcm5hbWU6\r\n"),
        (Reply(250, ("one", "two")), b"250-one\r\n250 two\r\n"),
        (
            Reply(550, ("a", "", "b"), EnhancedCode(5, 1, 1)),
            b"550-5.1.1 a\r\n550-5.1.1 \r\n550 5.1.1 b\r\n",
        ),
        (Reply(250, ("caf\u00e9",)), "250 caf\u00e9\r\n".encode()),
    ],
)
def test_reply_goes_on_the_wire(reply: Reply, raw: bytes) -> None:
    """RFC 2034 4: the enhanced code stands on every line."""
    assert reply.encode() == raw


def test_long_line_stays_one_line() -> None:
    """A hundred ids are one line, as clients that look for them expect."""
    text = "OK ids=" + " ".join(f"id_{number:036}" for number in range(100))
    assert Reply(250, (text,)).encode() == f"250 {text}\r\n".encode()


HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("\r\n\0\x0b\x0c\x1b\x85\u2028\u2029\ud800\u202e"),
    )
)


@given(st.lists(HOSTILE, max_size=4), st.none() | st.just(EnhancedCode(5, 1, 1)))
def test_no_text_can_end_its_line(
    lines: list[str], enhanced: EnhancedCode | None
) -> None:
    """ATTACKS 6: what a client said may be repeated to it without harm."""
    raw = Reply(550, tuple(lines), enhanced).encode()
    assert raw.endswith(b"\r\n")
    sent = raw.decode().removesuffix("\r\n").split("\r\n")
    assert len(sent) == max(len(lines), 1)
    assert all(map(str.isprintable, sent))


WORDS = st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=20)


@given(
    st.integers(200, 559),
    st.lists(WORDS, min_size=1, max_size=5),
    st.tuples(st.integers(0, 999), st.integers(0, 999)) | st.none(),
)
def test_what_is_said_is_what_is_heard(
    code: int, lines: list[str], detail: tuple[int, int] | None
) -> None:
    """Our reader reads what we say, line by line and code by code."""
    enhanced = None
    if detail is not None and code // 100 != 3:
        enhanced = EnhancedCode(code // 100, *detail)
    reply = Reply(code, tuple(lines), enhanced)
    assert only_reply(reply.encode()) == reply


@pytest.mark.parametrize("code", [0, 25, 150, 600, 2_500, -250])
def test_code_that_is_none_raises(code: int) -> None:
    """A reply that nobody could read is a mistake of ours."""
    with pytest.raises(LocalProtocolError):
        Reply(code).encode()

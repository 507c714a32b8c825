import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.smtp.content import Content, DottedContent
from appliance.smtp.grammar import wire_content
from appliance.smtp.reply import Reply

LIMIT = 1_000
BEHIND = b"MAIL FROM:<a@s.test>\r\n"


def feed(
    pieces: list[bytes], limit: int = LIMIT, *, normalise: bool = False
) -> tuple[bytes | str, bytes]:
    """What is made of content that came in these pieces, and what was left."""
    content = DottedContent(limit)
    for number, piece in enumerate(pieces):
        end = content.feed(piece, 0)
        if content.is_complete:
            left = piece[end:] + b"".join(pieces[number + 1 :])
            return shown(content.finish(normalise=normalise)), left
        assert end == len(piece)
        assert content.held <= limit * 4 // 3 + 8  # a dot in four is no content
    return "no end", b""


def shown(verdict: bytes | Reply) -> bytes | str:
    """The message, or the code and enhanced code of its refusal."""
    if isinstance(verdict, bytes):
        return verdict
    return f"{verdict.code} {verdict.enhanced}"


def splits(data: bytes) -> list[list[bytes]]:
    """The data whole, split at each position, and byte by byte."""
    halves = [[data[:at], data[at:]] for at in range(1, len(data))]
    return [[data], *halves, [bytes([octet]) for octet in data]]


# What is written on the wire, and the message it is.
GOOD = [
    (b".\r\n", b""),
    (b"\r\n.\r\n", b"\r\n"),
    (b"a\r\n.\r\n", b"a\r\n"),
    (b"..\r\n.\r\n", b".\r\n"),
    (b"...\r\n.\r\n", b"..\r\n"),
    (b".a\r\n.\r\n", b"a\r\n"),
    (b"a\r\n..\r\n.\r\n", b"a\r\n.\r\n"),
    (b"a\r\n..b\r\n.\r\n", b"a\r\n.b\r\n"),
    (b"a\r\n.b\r\n.\r\n", b"a\r\nb\r\n"),
    (b"a.\r\n.\r\n", b"a.\r\n"),
    (b"a\r\n..\r\n..\r\n\r\n..\r\n.\r\n", b"a\r\n.\r\n.\r\n\r\n.\r\n"),
    (b"x" * 2_000 + b"\r\n.\r\n", b"x" * 2_000 + b"\r\n"),
]


@pytest.mark.parametrize(("wire", "message"), GOOD)
def test_dots_are_removed_wherever_the_stream_is_cut(
    wire: bytes, message: bytes
) -> None:
    """RFC 5321 4.5.2: one dot goes from each line that begins with one."""
    stream = wire + BEHIND
    for pieces in splits(stream) if len(stream) < 100 else [[stream]]:
        assert feed(pieces, 3_000) == (message, BEHIND)


# What some server somewhere takes for the end of a message, and what each becomes
# where lone line ends are made whole.
FALSE_ENDS = {
    b"\n.\n": b"\r\n.\r\n",
    b"\n.\r\n": b"\r\n.\r\n",
    b"\r\n.\n": b"\r\n\r\n",
    b"\r.\r": b"\r\n.\r\n",
    b"\r\n.\r": b"\r\n\r\n",
    b"\r.\r\n": b"\r\n.\r\n",
    b"\r\r\n.\r\r\n": b"\r\n\r\n\r\n\r\n",
    b"\n\n.\n\n": b"\r\n\r\n.\r\n\r\n",
    b"\n\r.\n\r": b"\r\n\r\n.\r\n\r\n",
    b"\r\n.\n\r\n": b"\r\n\r\n\r\n",
    b"\r\n.\r\r\n": b"\r\n\r\n\r\n",
}


@pytest.mark.parametrize(("false_end", "mended"), FALSE_ENDS.items())
def test_nothing_but_crlf_dot_crlf_ends_a_message(
    false_end: bytes, mended: bytes
) -> None:
    """ATTACKS 1, CVE-2023-51764: what looks like an end is refused or mended."""
    wire = b"a" + false_end + b"QUIT\r\n.\r\n"
    for pieces in splits(wire + BEHIND):
        assert feed(pieces) == ("550 5.6.11", BEHIND)
        message = b"a" + mended + b"QUIT\r\n"
        assert feed(pieces, normalise=True) == (message, BEHIND)


@pytest.mark.parametrize(
    "false_end",
    [
        b"\r\n\0.\r\n",
        b"\r\n.\0\r\n",
        b"\r\0\n.\r\n",
        b"\r\n.\r\0\n",
        b"\0\r\n.\0\r\n",
        b"\n\0.\n",
    ],
)
def test_nul_neither_ends_a_message_nor_stands_in_one(false_end: bytes) -> None:
    """ATTACKS 1: a NUL is not skipped, not an end, and never kept."""
    wire = b"a" + false_end + b"QUIT\r\n.\r\n"
    for pieces in splits(wire + BEHIND):
        for normalise in (False, True):
            assert feed(pieces, normalise=normalise) == ("550 5.6.0", BEHIND)


@pytest.mark.parametrize("unfinished", [b"\n.\n", b"\r.\r", b"\r\n.\r", b"\r\n..\r\n"])
def test_false_end_keeps_waiting(unfinished: bytes) -> None:
    """ATTACKS 1: no verdict is given before the true end."""
    for pieces in splits(b"a" + unfinished):
        assert feed(pieces) == ("no end", b"")


LUMPS = st.lists(
    st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\r\n.", b"\0", b"a", b".\r\n"]),
    max_size=30,
).map(b"".join)


def by_hand(wire: bytes, limit: int) -> tuple[bytes | str, bytes]:
    """The same by splitting lines, slow and plain."""
    lines = wire.split(b"\r\n")
    if b"." not in lines[:-1]:
        return "no end", b""
    end = lines.index(b".")
    message = b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[:end])
    left = b"\r\n".join(lines[end + 1 :])
    text = message.replace(b"\r\n", b"")
    if len(message) > limit:
        # Which of several faults is told depends on what was dropped when.
        return "refused", left
    if b"\0" in message:
        return "550 5.6.0", left
    return ("550 5.6.11" if {*text} & {*b"\r\n"} else message), left


@given(LUMPS, st.lists(st.integers(0, 200), max_size=8), st.integers(0, 60))
def test_content_is_what_its_lines_say(
    wire: bytes, cuts: list[int], limit: int
) -> None:
    """Cut anywhere, the content is that of a reader which goes by lines."""
    places = [0, *sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    pieces = [wire[a:b] for a, b in itertools.pairwise(places)]
    verdict, left = feed(pieces, limit)
    expected, expected_left = by_hand(wire, limit)
    assert left == expected_left
    assert verdict == expected or (expected == "refused" and isinstance(verdict, str))


@given(LUMPS.filter(lambda text: b"\0" not in text), st.integers(0, 200))
def test_what_our_client_sends_is_what_comes(text: bytes, cut: int) -> None:
    """Stuffed by the one and unstuffed by the other, nothing is lost or added."""
    text = text.replace(b"\r", b"").replace(b"\n", b"\r\n")
    wire = wire_content(text)
    stream = wire.stuffed + b".\r\n"
    cut %= len(stream) + 1
    message, left = feed([stream[:cut], stream[cut:]])
    assert left == b""
    assert message == text + (b"" if text.endswith(b"\r\n") or not text else b"\r\n")
    assert len(message) == wire.size


@pytest.mark.parametrize("stuffed", [b"x" * 98, b"." * 99, b"..\r\n" * 32 + b"xx"])
def test_size_is_counted_without_stuffing(stuffed: bytes) -> None:
    """RFC 1870 3: neither the doubled dots nor the last count."""
    wire = stuffed + b"\r\n.\r\n"
    size = len(stuffed.removeprefix(b".").replace(b"\r\n.", b"\r\n")) + 2
    for pieces in splits(wire):
        message, _ = feed(pieces, size)
        assert isinstance(message, bytes)
        assert len(message) == size
        assert feed(pieces, size - 1) == ("552 5.3.4", b"")


def test_mended_message_is_measured_again() -> None:
    """A line end that was made whole makes the message longer."""
    assert feed([b"a\nb\r\n.\r\n"], 6, normalise=True) == (b"a\r\nb\r\n", b"")
    assert feed([b"a\nb\r\n.\r\n"], 5, normalise=True) == ("552 5.3.4", b"")


def test_what_is_too_much_is_dropped_at_once_and_read_to_its_end() -> None:
    """ATTACKS 4: nothing is kept of what cannot be taken."""
    content = DottedContent(LIMIT)
    content.feed(b"x" * LIMIT + b"\r\n..", 0)
    assert content.held == LIMIT + 4
    content.feed(b"more", 0)
    assert content.held == 4
    assert content.feed(b"\r\n.\r\nNOOP", 0) == 5
    assert shown(content.finish()) == "552 5.3.4"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1_000])
def test_endless_dots_are_dropped_however_they_are_cut(size: int) -> None:
    """ATTACKS 4: a dot that two pieces share is counted once."""
    stream = b"..\r\n" * LIMIT
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert feed([*pieces, b".\r\n"]) == ("552 5.3.4", b"")


def test_first_refusal_stands() -> None:
    """A caller's refusal is not replaced by one that is found later."""
    content = Content(10)
    content.keep(b"abc")
    content.refuse(Reply(452))
    content.refuse(Reply(550))
    content.keep(b"x" * 20)
    assert content.held == 0
    assert content.finish() == Reply(452)


@pytest.mark.parametrize(
    ("chunks", "verdict"),
    [
        ([], b""),
        ([b"a\r", b"\nb"], b"a\r\nb\r\n"),
        ([b"\r\n.\r", b"\n.\r\n"], b"\r\n.\r\n.\r\n"),
        ([b"..a\r\n"], b"..a\r\n"),
        ([b"a\r"], "550 5.6.11"),
        ([b"a\n"], "550 5.6.11"),
        ([b"\0"], "550 5.6.0"),
        ([b"x" * 900, b"x" * 101], "552 5.3.4"),
        ([b"x" * 1_000], b"x" * 1_000 + b"\r\n"),
    ],
)
def test_chunks_are_joined_and_not_unstuffed(
    chunks: list[bytes], verdict: bytes | str
) -> None:
    """RFC 3030 2: a dot means nothing there; the last line is ended for it."""
    content = Content(LIMIT)
    for chunk in chunks:
        content.keep(chunk)
    assert shown(content.finish()) == verdict

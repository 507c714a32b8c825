"""Transfer encodings: what goes in comes out, and what is broken is not read."""

import base64
import quopri

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appliance.mime.transfer import (
    base64_lines,
    has_long_line,
    quoted_printable,
    read_base64,
    read_quoted_printable,
)
from appliance.smtp.grammar import has_lone_line_end

octets = st.binary(max_size=300) | st.lists(
    st.sampled_from(
        [b"\r", b"\n", b"\r\n", b" ", b"\t", b".", b"From ", b"=", b"x" * 75]
    )
).map(b"".join)


@settings(deadline=None)
@given(octets)
@example(b"a\nb\rc\r\nd \r\n")
@example(b"\n")
@example(b" \n \r\n")
@example(b"x" * 76 + b"\n")
@example(b"x" * 73 + b"=\n\xff")
def test_quoted_printable_gives_back_every_octet(data: bytes) -> None:
    """ATTACKS 14: quoted-printable edge cases; a lone CR or LF stays what it is."""
    coded = quoted_printable(data)
    assert read_quoted_printable(coded) == data
    assert quopri.decodestring(coded) == data
    assert coded.isascii()
    assert not has_lone_line_end(coded)
    lines = coded.split(b"\r\n")
    assert all(len(line) <= 76 for line in lines)
    assert not any(line.endswith((b" ", b"\t")) for line in lines)
    assert not any(line.startswith(b"From ") for line in lines)
    assert b"." not in lines


@settings(deadline=None)
@given(octets)
def test_base64_gives_back_every_octet(data: bytes) -> None:
    """On lines of 76, as others write it too."""
    coded = base64_lines(data)
    assert coded == base64.encodebytes(data).replace(b"\n", b"\r\n").removesuffix(
        b"\r\n"
    )
    assert read_base64(coded) == data
    assert read_base64(coded + b"\r\n\r\n") == data


@pytest.mark.parametrize("coded", [b"=", b"a=\r\nb", b"=c3=A4", b"a b", b"x=\r\n", b""])
def test_sound_quoted_printable_is_read(coded: bytes) -> None:
    """Soft line breaks, small digits, an end within a line."""
    assert read_quoted_printable(coded) == quopri.decodestring(coded)


@pytest.mark.parametrize(
    "coded", [b"=4", b"=G0", b"a= \r\nb", b"==41", b"=\nb", b"=\0"]
)
def test_broken_quoted_printable_is_not_read(coded: bytes) -> None:
    """ATTACKS 14: readers differ over it, so nobody's reading is written down."""
    assert read_quoted_printable(coded) is None


@pytest.mark.parametrize(
    "coded", [b"YQ", b"YQ=", b"Y", b"YQ==YQ==", b"YQ==x", b"Y*Q=", b"=", b"YWJj="]
)
def test_broken_base64_is_not_read(coded: bytes) -> None:
    """ATTACKS 14: no padding, too much of it, other characters, a second part."""
    assert read_base64(coded) is None


def test_lengths_are_judged() -> None:
    """The longest line that SMTP carries."""
    assert not has_long_line(b"x" * 998 + b"\r\n" + b"x" * 998)
    assert has_long_line(b"a\r\n" + b"x" * 999)

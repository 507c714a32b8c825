import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.dialects.decode import Malformed, decode


class Inner(msgspec.Struct):
    """What a path leads into."""

    email: str


class Outer(msgspec.Struct):
    """A body with a list and a free object."""

    to: list[Inner]
    notes: dict[str, str] = {}


DECODER = msgspec.json.Decoder(Outer)


def test_a_body_reads() -> None:
    """Unknown fields are passed over; the last of two equal keys counts."""
    read = decode(DECODER, b'{"x":[1],"to":[],"to":[{"email":"a","y":null}]}')
    assert read == Outer([Inner("a")])


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"to":[{"email":"a"},{"email":1}]}', "to[1].email"),
        (b'{"to":[{}]}', "to[0].email"),
        (b"{}", "to"),
        (b'{"to":{}}', "to"),
        (b'{"to":[],"notes":{"a":1}}', "notes"),
        (b"[]", ""),
        (b"null", ""),
        (b"", ""),
        (b"{", ""),
        (b'{"to":[]} x', ""),
        (b"\xef\xbb\xbf{}", ""),
        (b'{"to":[],"x":NaN}', ""),
    ],
)
def test_a_fault_is_located(body: bytes, path: str) -> None:
    """The path says which value to mend, in the form the vendors use."""
    read = decode(DECODER, body)
    assert isinstance(read, Malformed)
    assert read.path == path
    assert read.what


@pytest.mark.parametrize(
    "body",
    [
        b'{"to":' + b"[" * 100_000,
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b',"to":[]}',
        b'{"x":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
        b'{"to":[{"email":"\xff"}]}',
        b'{"to":[],"x":"\xff"}',
        b'{"to":[],"x":"\xc3',
        b'{"to":[{"email":"\\ud800 and more text"}]}',
        b'{"to":[{"email":"\\udc00\\ud800 and more"}]}',
        b'{"to":[{"email":' + b"9" * 100_000 + b"}]}",
        b'{"to":[{"email":1e999999999}]}',
    ],
)
def test_a_body_bomb_is_a_plain_no(body: bytes) -> None:
    """ATTACKS 10: depth, broken text and huge numbers cost a refusal, no more."""
    read = decode(DECODER, body)
    assert isinstance(read, Malformed)


def test_utf_8_is_checked_across_pieces() -> None:
    """A character that straddles two of the checked pieces is no fault."""
    for size in range(65_530, 65_540):
        text = "x" * size + "😀"
        read = decode(DECODER, msgspec.json.encode(Outer([Inner(text)])))
        assert read == Outer([Inner(text)])


@given(st.binary())
def test_decoding_never_raises(body: bytes) -> None:
    """ATTACKS 10: any bytes at all are a value or a located fault."""
    read = decode(DECODER, body)
    assert isinstance(read, Outer | Malformed)

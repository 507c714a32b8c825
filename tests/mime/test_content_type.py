"""Content types: read as others read them, or not at all."""

import email

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.mime.content_type import is_inline, read_content_type

words = st.from_regex(r"[a-z0-9_.+-]{1,12}", fullmatch=True)
values = words | st.from_regex(r'"[a-zA-Z0-9 =:;/()?]{0,20}"', fullmatch=True)


@pytest.mark.parametrize(
    ("value", "name", "parameters"),
    [
        (b" text/html\r\n", "text/html", {}),
        (b"TEXT/HTML;CHARSET=UTF-8", "text/html", {"charset": "UTF-8"}),
        (b' a/b; c="d;\\"e"\r\n\t; f = g ;\r\n', "a/b", {"c": 'd;"e', "f": "g"}),
        (b"a/b; boundary=----=_Part:1/2?", "a/b", {"boundary": "----=_Part:1/2?"}),
        (b'a/b;; c=""', "a/b", {"c": ""}),
        (b"a/b; __proto__=x; c=y", "a/b", {"__proto__": "x", "c": "y"}),
    ],
)  # fmt: skip
def test_a_type_is_read(value: bytes, name: str, parameters: dict[str, str]) -> None:
    """RFC 2045 5.1, with what many writers leave unquoted; names are only names.

    ATTACKS 14: a parameter named `__proto__` is one like others.
    """
    read = read_content_type(value)
    assert read is not None
    assert (read.name, read.parameters) == (name, parameters)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"html",
        b"text/",
        b"text/html charset=utf-8",
        b"text/html; charset",
        b"text/html; charset=",
        b"text/html; charset=utf-8 x",
        b'text/html; charset="utf-8',
        b"text/html; charset=utf-8 (comment)",
        b"text/html; charset=utf-8; charset=latin1",
        b"text/html; charset=utf-8; CHARSET=utf-8",
        b"text/html; charset*=utf-8''utf-8",
        b"text/html; boundary*0=a; boundary*1=b",
        b"text/html; x=\xff",
        b"text/html, text/plain",
    ],
)
def test_a_type_in_doubt_is_none(value: bytes) -> None:
    """ATTACKS 14: what readers could take differently; the part is left alone."""
    assert read_content_type(value) is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b" inline\r\n", True),
        (b"INLINE", True),
        (b'inline; size="3"', True),
        (b"inline;\r\n x=y", True),
        (b"inline; filename=a.html", False),
        (b"inline; FILENAME*0=a", False),
        (b"inlined", False),
        (b"attachment", False),
        (b"form-data", False),
        (b'"inline"', False),
        (b"", False),
    ],
)
def test_a_file_is_told(value: bytes, *, shown: bool) -> None:
    """RFC 2183 2.8: what is not known is an attachment; what has a name is a file."""
    assert is_inline(value) is shown


@settings(deadline=None)
@given(words, words, st.dictionaries(words.filter(str.isalpha), values, max_size=4))
def test_types_are_read_as_others_read_them(
    main: str, sub: str, parameters: dict[str, str]
) -> None:
    """The oracle is the standard library."""
    value = "; ".join([f"{main}/{sub}", *(f"{k}={v}" for k, v in parameters.items())])
    message = email.message_from_string(f"Content-Type: {value}\r\n\r\n")
    read = read_content_type(value.encode())
    assert read is not None
    assert read.name == message.get_content_type()
    theirs = message.get_params(failobj=[])[1:]
    assert list(read.parameters.items()) == theirs


@settings(deadline=None)
@given(st.binary() | st.text('a/;="\\( \r\n\t*', max_size=60).map(str.encode))
def test_any_value_is_read_or_not(value: bytes) -> None:
    """ATTACKS 14: nothing raises."""
    read_content_type(value)
    is_inline(value)

"""Words: the pieces that fields are made of."""

from urllib.parse import unquote

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.mime.words import (
    ENCODED_WORD_CHARS,
    ascii_fallback,
    encoded_words,
    parameter,
    phrase,
)

characters = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1)


@settings(deadline=None)
@given(characters, st.integers(min_value=-100, max_value=100))
def test_encoded_words_fit(text: str, room: int) -> None:
    """None is above 75 characters, and the first keeps to its room if it can."""
    words = encoded_words(text, room)
    assert all(len(word) <= ENCODED_WORD_CHARS for word in words)
    assert len(words[0]) <= room or room < len("=?utf-8?q??=") + 12


@settings(deadline=None)
@given(characters.filter(lambda text: not text.isascii()))
def test_long_parameters_are_continued(text: str) -> None:
    """RFC 2231 3, 4.1: numbered pieces that together are the value."""
    pieces = [one.partition("=") for one in parameter("filename", text)]
    if len(pieces) == 1:
        assert pieces[0][0] == "filename*"
    else:
        numbers = [f"filename*{index}*" for index in range(len(pieces))]
        assert [name for name, _, _ in pieces] == numbers
    charset, language, value = "".join(one for _, _, one in pieces).split("'")
    assert (charset, language, unquote(value)) == ("utf-8", "", text)
    assert all(len("".join(piece)) <= 76 for piece in pieces)


def test_ascii_parameters_are_plain_or_quoted() -> None:
    """What needs no RFC 2231 does not get it."""
    assert parameter("name", "a.pdf") == ["name=a.pdf"]
    assert parameter("name", 'a "b".pdf') == ['name="a \\"b\\".pdf"']
    assert parameter("name", "") == ['name=""']


def test_a_long_name_without_blanks_is_encoded() -> None:
    """Quoted, its backslashes alone could fill a line."""
    assert phrase("\\" * 500, 60).startswith("=?utf-8?")


def test_fallback_is_ascii() -> None:
    """One "_" for each character that ASCII lacks."""
    assert ascii_fallback("süß.pdf") == "s__.pdf"

"""Encoded words read: as the standard library does, and without harm."""

import unicodedata
from email.header import Header, decode_header, make_header

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appliance.core.encoded_words import decode_words
from appliance.mime.words import encode_text

readable = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=200
)
WORDS = "=? ?= ? = utf-8 x-none *en ?q? ?B? =C3=A4 w6Q= _ iso-2022-jp =?utf-8?q?a?="
fragments = st.sampled_from([*WORDS.split(), " ", "\t", "\0", "é", "\ud800", "\u2028"])


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?gr=C3=BC=C3=9Fe_dich?=", "grüße dich"),
        ("=?UTF-8?B?Z3LDvMOfZQ==?=", "grüße"),
        ("=?UTF-8?B?Z3LDvMOfZQ?=", "grüße"),
        ("=?iso-8859-1*de?Q?=FC?= x", "ü x"),
        ("a =?utf-8?q?b?= c", "a b c"),
        ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        ("=?utf-8?q?a_?=\t=?iso-8859-1?q?b?=", "a b"),
        ("=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "ü"),
        ("=?utf-8?q??=", ""),
        ("x=?utf-8?q?a?=y", "xay"),
        ("=?gb2312?B?xOO6ww==?=", "你好"),
        ("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
    ],
)
def test_words_are_decoded(text: str, seen: str) -> None:
    """RFC 2047, and the sloppiness that readers forgive."""
    assert decode_words(text) == seen


@pytest.mark.parametrize(
    "text",
    [
        "=?",
        "=?utf-8?q?a",
        "=?utf-8?q?=G0?=",
        "=?utf-8?q?a b?=",
        "=?utf-8?q?=FF?=",
        "=?utf-8?b?a?=",
        "=?utf-8?b?a!bc?=",
        "=?utf-8?x?a?=",
        "=?unknown?q?a?=",
        "=?idna?q?xn--a?=",
        "=?__proto__?q?a?=",
        "=?unknown?q?a?= =?utf-8?q?=FF?=",
    ],
)
def test_what_is_broken_stays_as_it_stands(text: str) -> None:
    """ATTACKS 14: wrong charsets and broken encodings are shown, not guessed at."""
    assert decode_words(text) == text


def test_a_broken_word_keeps_the_blank_beside_it() -> None:
    """Only the blanks between two words that are read are dropped."""
    text = "=?utf-8?q?a?= =?utf-8?q?=GG?= =?utf-8?q?b?="
    assert decode_words(text) == "a =?utf-8?q?=GG?= b"


def test_no_control_comes_out() -> None:
    """ATTACKS 7, 9: a line end hidden in a word ends no line."""
    assert decode_words("a\t=?utf-8?q?b=0D=0ABcc:=00c?=\u2028") == "a b  Bcc: c "


@settings(deadline=None)
@given(readable)
def test_what_others_write_is_read(text: str) -> None:
    """Ours and the standard library's words read back as the text."""
    spelled = Header(text, "utf-8").encode(linesep="").strip()
    assert decode_words(spelled) == text
    trimmed = text.strip(" ")
    assert decode_words(encode_text(trimmed, 60)) == trimmed


@settings(deadline=None)
@given(
    st.lists(readable.filter(str.strip), max_size=5),
    st.sampled_from(["utf-8", "koi8-r", "iso-8859-15", "windows-1252"]),
)
def test_the_standard_library_reads_the_same(texts: list[str], charset: str) -> None:
    """The oracle: whole words of any known set, beside plain text."""
    octets = [text.encode(charset, "ignore").decode(charset) for text in texts]
    words = [Header(text, charset).encode(linesep="") for text in octets if text]
    text = " ".join([*words, "plain"])
    assert decode_words(text) == str(make_header(decode_header(text)))


@settings(deadline=None)
@given(st.text(max_size=300) | st.lists(fragments).map("".join))
@example("=?utf-8?q?" * 1000)
@example("=?utf-8?b?" + "A" * 10_000)
@example("=?a?q?=?= " * 10_000)
def test_any_text_is_read_without_harm(text: str) -> None:
    """ATTACKS 14: nothing raises, and no control character comes out."""
    seen = decode_words(text)
    harmful = {"Cc", "Cs", "Zl", "Zp"}
    assert not any(unicodedata.category(char) in harmful for char in seen)

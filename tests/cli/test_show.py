"""How results look."""

import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.cli import show
from appliance.core.domain import Purpose


@given(st.text())
def test_no_text_steers_the_terminal(text: str) -> None:
    """ATTACKS 19: a server's reply has no control character left when it is shown."""
    shown = show.plain(text)
    assert shown.isprintable()


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "a\nb", "\u202egnp.exe", "\x9b31m", "\x7f"]
)
def test_what_is_hidden_is_made_visible(text: str) -> None:
    """ATTACKS 19: escapes, line breaks and reversed text are spelt out."""
    assert show.plain(text).isascii()
    assert "\\" in show.plain(text)


def test_lines_keep_their_ends_and_nothing_else() -> None:
    """ATTACKS 19: our own line ends stay; what hides in a name is spelt out."""
    assert show.plain_lines("one\ntwo\x1b[2J") == "one\ntwo\\x1b[2J"


def test_tables_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    """Each column is as wide as its widest cell, and no line ends in spaces."""
    show.table(("A", "NAME"), [(1, "x"), (1000, None)])
    assert capsys.readouterr().out == "A     NAME\n1     x\n1000\n"


def test_lists_are_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A line is a whole object, in ASCII, whatever is in it."""
    show.lines([{"a": "\u2028\n"}, {"b": Purpose.DKIM, "c": UUID(int=1)}])
    out = capsys.readouterr().out
    assert out.isascii()
    first, second = map(json.loads, out.splitlines())
    assert first == {"a": "\u2028\n"}
    assert second == {"b": "dkim", "c": str(UUID(int=1))}


def test_moments_are_told_in_utc() -> None:
    """RFC 3339 with milliseconds; nothing for never."""
    assert show.when(1_700_000_000_123_456_789) == "2023-11-14T22:13:20.123Z"
    assert show.when(0) is None
    assert show.when(None) is None

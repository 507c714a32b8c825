import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.dialects.text import has_control


@pytest.mark.parametrize(
    "char",
    ["\r", "\n", "\0", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\ud800"],
)
def test_a_control_character_is_found_anywhere(char: str) -> None:
    """ATTACKS 9: nothing that ends a line, or is half a character, passes."""
    assert has_control(char)
    assert has_control(f"Hello{char}")
    assert has_control(f"{char}Hello")


@pytest.mark.parametrize(
    "text",
    ["", "Hello", "Grüße", "日本語", "a\u00a0b", "👩\u200d🚀", "שלום", "e\u0301"],
)
def test_what_people_write_has_no_control_character(text: str) -> None:
    """Other scripts, joined emoji and fixed spaces are text like any other."""
    assert not has_control(text)


@given(st.text(st.characters(codec=None)))
def test_what_passes_holds_no_control_character(text: str) -> None:
    """ATTACKS 9: the fast way and the thorough way agree."""
    harmful = any(
        unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in text
    )
    assert has_control(text) == harmful

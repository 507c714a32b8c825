import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.moments import MAX_NS, read_moment

DAY_NS = 86_400 * 10**9
NOON_NS = 1_704_110_400 * 10**9  # 2024-01-01T12:00:00Z


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01T12:00:00Z",
        "2024-01-01T12:00:00",
        "2024-01-01T12:00:00.000000+0000",
        "2024-01-01T13:00:00+01:00",
        "2024-01-01 12:00",
    ],
)
def test_one_moment_has_many_spellings(text: str) -> None:
    """Also those of a vendor's client, whose offset has no colon; no zone is UTC."""
    assert read_moment(text) == NOON_NS


def test_a_day_is_its_beginning_or_its_end() -> None:
    """So that a span from a day to the same day is that day."""
    assert read_moment("2024-01-01") == NOON_NS - DAY_NS // 2
    assert read_moment("2024-01-01", end_of_day=True) == NOON_NS + DAY_NS // 2
    assert read_moment("2024-01-01T12:00:00Z", end_of_day=True) == NOON_NS


@pytest.mark.parametrize("text", ["", "x", "2024-13-01", "٢٠٢٤-01-01", "1" * 50])
def test_what_is_no_moment_is_none(text: str) -> None:
    """A typo is never taken for another day."""
    assert read_moment(text) is None


def test_moments_that_no_column_holds_are_the_nearest_that_does() -> None:
    """Before 1970, and behind 2262."""
    assert read_moment("0001-01-01") == 0
    assert read_moment("9999-12-31T00:00:00Z") == MAX_NS
    assert read_moment("9999-12-31", end_of_day=True) is None


@given(st.text())
def test_any_text_is_a_moment_or_none(text: str) -> None:
    """Nothing in it is a bug of ours."""
    ns = read_moment(text)
    assert ns is None or 0 <= ns <= MAX_NS

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.dialects.sendpost.moments import parse_moment

NS = 1_700_000_000_000_000_000


@pytest.mark.parametrize(
    "value",
    [
        1_700_000_000,
        1_700_000_000_000,
        1_700_000_000_000_000,
        NS,
        "1700000000",
        "2023-11-14T22:13:20Z",
        "2023-11-14T23:13:20.000+01:00",
    ],
)
def test_every_way_to_tell_a_moment(value: int | str) -> None:
    """Spec 11.2: RFC 3339, or a number of s, ms or ns."""
    assert parse_moment(value) == NS


@pytest.mark.parametrize("value", ["", "x", "2023-11-14T22:13:20", "9" * 41, -1, "²"])
def test_what_is_no_moment(value: int | str) -> None:
    """A time without a zone is not guessed at."""
    assert parse_moment(value) is None


@given(st.text() | st.integers())
def test_anything_is_a_moment_or_none(value: int | str) -> None:
    """ATTACKS 25: no text makes it raise."""
    found = parse_moment(value)
    assert found is None or isinstance(found, int)

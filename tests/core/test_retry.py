import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.retry import RetryPlan, parse_retry_plan


def test_the_documented_plan() -> None:
    """Five more tries after the first, one to five hours apart."""
    plan = parse_retry_plan("1h,2h,3h,4h,5h")
    assert plan.tries == 6
    assert [plan.pause_after(n) for n in range(1, 7)] == [
        3_600,
        7_200,
        10_800,
        14_400,
        18_000,
        None,
    ]


def test_units_and_blanks() -> None:
    """Seconds need no unit; blanks do not matter."""
    assert parse_retry_plan(" 30, 90s ,5m,1d").pauses == (30, 90, 300, 86_400)


def test_an_empty_plan_means_one_try() -> None:
    """Nothing is tried again."""
    assert parse_retry_plan("").pause_after(1) is None


@pytest.mark.parametrize("text", ["1h,", "-1h", "1.5h", "soon", "1w", "1h;2h", "1h 2h"])
def test_what_is_no_plan_is_refused(text: str) -> None:
    """The text names the step that is wrong."""
    with pytest.raises(ValueError, match="no duration"):
        parse_retry_plan(text)


def test_a_plan_is_bounded() -> None:
    """Nobody retries a thousand times."""
    with pytest.raises(ValueError, match="at most 100"):
        parse_retry_plan(",".join(["1s"] * 101))


@given(st.lists(st.integers(0, 9_999_999), max_size=20))
def test_a_plan_is_read_as_it_is_spelt(pauses: list[int]) -> None:
    """What we print can be pasted into the settings."""
    plan = RetryPlan(tuple(pauses))
    assert parse_retry_plan(str(plan)) == plan

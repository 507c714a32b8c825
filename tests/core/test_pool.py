from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.ids import ProviderId
from appliance.core.pool import Share, check_shares, draw


@st.composite
def percentages(draw_value: st.DrawFn) -> list[int]:
    """Whole numbers that add up to a hundred."""
    cuts = draw_value(st.sets(st.integers(1, 99), max_size=6))
    edges = [0, *sorted(cuts), 100]
    return [high - low for low, high in pairwise(edges)]


@given(percentages(), st.integers(1, 400))
def test_after_any_number_of_draws_each_share_is_true(
    percents: list[int], draws: int
) -> None:
    """Ten per cent means ten per cent: never off by more than one delivery."""
    shares = [Share(ProviderId(i), percent) for i, percent in enumerate(percents)]
    drawn = [draw(shares) for _ in range(draws)]
    for share in shares:
        true = draws * share.percent / 100
        assert abs(drawn.count(share.provider) - true) <= 1


def test_a_thousand_draws_of_70_20_10() -> None:
    """A whole number of rounds gives exact shares."""
    shares = [
        Share(ProviderId(1), 70),
        Share(ProviderId(2), 20),
        Share(ProviderId(3), 10),
    ]
    drawn = [draw(shares) for _ in range(1_000)]
    assert [drawn.count(ProviderId(i)) for i in (1, 2, 3)] == [700, 200, 100]


def test_credits_carry_over() -> None:
    """What was drawn before a restart counts after it."""
    shares = [Share(ProviderId(1), 50), Share(ProviderId(2), 50)]
    first = draw(shares)
    restored = [Share(one.provider, one.percent, one.credit) for one in shares]
    assert draw(restored) != first


@pytest.mark.parametrize(
    ("percents", "fault"),
    [
        ([], "at least one"),
        ([100, 0], "at least 1"),
        ([110, -10], "at least 1"),
        ([50, 40], "add up to 90"),
        ([60, 60], "add up to 120"),
    ],
)
def test_wrong_percentages_are_named(percents: list[int], fault: str) -> None:
    """The operator reads what is wrong with the numbers."""
    assert fault in check_shares(percents)


def test_right_percentages_pass() -> None:
    """A whole is a whole, however it is cut."""
    assert check_shares([100]) == check_shares([33, 33, 34]) == ""

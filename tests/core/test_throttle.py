"""Token buckets; ATTACKS 26: a clock that jumps both ways does no harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.throttle import (
    FULL_BUCKET,
    HOUR_US,
    MAX_RATE,
    PLENTY,
    SECOND_US,
    UNLIMITED,
    Bucket,
    Limit,
    check_limit,
)

START_US = 1_700_000_000 * SECOND_US
rates = st.one_of(st.none(), st.integers(1, 1_000), st.integers(1, MAX_RATE))
limits = st.builds(Limit, rates, rates, rates)


def drain(bucket: Bucket, limit: Limit, now_us: int) -> tuple[Bucket, int]:
    """Take all that there is."""
    bucket = bucket.filled(limit, now_us)
    tokens = bucket.tokens(limit)
    return bucket.less(limit, tokens), tokens


def test_a_full_bucket_goes_at_once_then_at_the_rate() -> None:
    """After a quiet time a whole hour's worth; then one every 36 seconds."""
    limit = Limit(per_hour=100)
    bucket, taken = drain(FULL_BUCKET, limit, START_US)
    assert taken == 100
    assert bucket.next_us(limit, START_US) == START_US + 36 * SECOND_US
    bucket, taken = drain(bucket, limit, START_US + 36 * SECOND_US - 1)
    assert taken == 0
    assert drain(bucket, limit, START_US + 36 * SECOND_US)[1] == 1


def test_both_rates_hold() -> None:
    """The second's bound within the hour's."""
    limit = Limit(per_hour=25, per_second=10)
    bucket, now_us, taken = FULL_BUCKET, START_US, []
    for _ in range(4):
        bucket, tokens = drain(bucket, limit, now_us)
        taken.append(tokens)
        now_us += SECOND_US
    assert taken == [10, 10, 5, 0]


@given(limits, st.lists(st.integers(0, HOUR_US), max_size=20))
def test_never_more_than_a_full_bucket_and_the_rate(
    limit: Limit, steps: list[int]
) -> None:
    """However often it is asked, no token is made up and none is lost."""
    bucket, now_us, total = FULL_BUCKET, START_US, 0
    for step in (0, *steps):
        now_us += step
        bucket, tokens = drain(bucket, limit, now_us)
        total += tokens if limit else 0
    passed = now_us - START_US
    for rate, period in ((limit.per_hour, HOUR_US), (limit.per_second, SECOND_US)):
        if rate is not None:
            assert total <= rate + passed * rate // period


@given(st.integers(1, 10_000), st.lists(st.integers(1, SECOND_US), max_size=50))
def test_many_small_steps_lose_nothing(rate: int, steps: list[int]) -> None:
    """A bucket that is looked at all the time fills as fast as one that is not."""
    limit = Limit(per_hour=rate)
    empty, _ = drain(FULL_BUCKET, limit, START_US)
    looked, now_us = empty, START_US
    for step in steps:
        now_us += step
        looked = looked.filled(limit, now_us)
    assert looked == empty.filled(limit, now_us)


@given(limits, st.integers(-2 * 86_400, 2 * 86_400))
def test_a_clock_that_jumps_does_no_harm(limit: Limit, jump_s: int) -> None:
    """Ahead: one full bucket at most. Back: the next token is no further away."""
    bucket, taken = drain(FULL_BUCKET, limit, START_US)
    now_us = START_US + jump_s * SECOND_US
    jumped = bucket.filled(limit, now_us)
    assert jumped.tokens(limit) <= taken
    assert jumped.next_us(limit, now_us) - now_us <= bucket.next_us(limit, 0)


@given(limits)
def test_it_fits_in_a_row(limit: Limit) -> None:
    """64 bits hold what is left of any limit that is allowed."""
    assert not check_limit(limit)
    full = FULL_BUCKET.filled(limit, START_US)
    assert all((one.left or 0) < 1 << 63 for one in (full.hour, full.second))


def test_when_a_token_is_due_it_is_there() -> None:
    """Rounded up: who comes at the moment told does not come in vain."""
    for rate in (3, 7, 999, 1_001):
        limit = Limit(per_hour=rate, per_second=3)
        bucket, _ = drain(FULL_BUCKET, limit, START_US)
        at_us = bucket.next_us(limit, START_US)
        assert bucket.filled(limit, at_us).tokens(limit) >= 1


def test_a_changed_rate_keeps_the_tokens_as_far_as_they_fit() -> None:
    """Half a bucket of a hundred is fifty of two hundred, and all of fifty."""
    half = FULL_BUCKET.filled(Limit(100), START_US).less(Limit(100), 50)
    assert half.filled(Limit(200), START_US).tokens(Limit(200)) == 50
    assert half.filled(Limit(20), START_US).tokens(Limit(20)) == 20


def test_no_limit_is_plenty() -> None:
    """And says nothing."""
    assert FULL_BUCKET.tokens(UNLIMITED) == PLENTY
    assert (bool(UNLIMITED), str(UNLIMITED)) == (False, "")
    assert str(Limit(100, 5)) == "100/h, 5/s"


@pytest.mark.parametrize("rate", [0, -1, MAX_RATE + 1])
def test_limits_of_zero_or_below_are_refused(rate: int) -> None:
    """Who wants no mail there takes the provider out of its pools."""
    assert str(rate) in check_limit(Limit(per_hour=rate))
    assert str(rate) in check_limit(Limit(per_second=rate))
    assert str(rate) in check_limit(Limit(at_once=rate))

"""A deadline that moves with every step is kept to the moment."""

import math

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from appliance.net.watchdog import Watchdog

SHORTEST = 10.0


async def cut_after(steps: list[tuple[float, float]]) -> float:
    """When the wait behind some steps ends: each is allowed a time, and takes one."""
    watchdog = Watchdog(SHORTEST)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watchdog.run)
        with watchdog.scope:
            for allowed, takes in steps:
                watchdog.allow(allowed)
                await trio.sleep(takes)
            await trio.sleep_forever()
        ended = trio.current_time()
        watchdog.stop()
    return ended


async def test_what_takes_longer_than_allowed_is_cut(autojump_clock: MockClock) -> None:
    """At the moment the last step's time is over."""
    assert await cut_after([(60, 0)]) == autojump_clock.current_time() == 60


async def test_a_shorter_time_behind_a_longer_one_counts(
    autojump_clock: MockClock,
) -> None:
    """It does not have to wait for the end of the longer one."""
    await cut_after([(600, 5), (SHORTEST, 0)])
    assert autojump_clock.current_time() == 5 + SHORTEST


async def test_rest_takes_any_time(autojump_clock: MockClock) -> None:
    """And what is allowed behind it counts again."""
    watchdog = Watchdog(SHORTEST)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watchdog.run)
        with watchdog.scope:
            watchdog.allow(20)
            await trio.sleep(1)
            watchdog.rest()
            await trio.sleep(10_000)
            watchdog.allow(20)
            await trio.sleep_forever()
        assert autojump_clock.current_time() == 10_021


async def test_stop_ends_it_without_a_cut(autojump_clock: MockClock) -> None:
    """Nothing is cancelled by a watchdog that has been sent away."""
    watchdog = Watchdog(SHORTEST)
    watchdog.allow(SHORTEST)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watchdog.run)
        await trio.sleep(1)
        watchdog.stop()
    assert autojump_clock.current_time() == 1
    assert not watchdog.bites


@given(
    st.lists(
        st.tuples(st.integers(int(SHORTEST), 600), st.floats(0, 0.99)),
        min_size=1,
    )
)
def test_it_is_never_early_and_never_late(steps: list[tuple[int, float]]) -> None:
    """Whatever was allowed before, and however much of it was used."""
    taken = [(float(allowed), allowed * part) for allowed, part in steps]

    async def main() -> float:
        return await cut_after(taken)

    ended = trio.run(main, clock=MockClock(autojump_threshold=0))
    due = sum(takes for _, takes in taken[:-1]) + taken[-1][0]
    assert math.isclose(ended, due, abs_tol=1e-6)


@pytest.mark.parametrize("first", [SHORTEST, 600.0])
async def test_it_may_start_behind_what_was_allowed(
    first: float, autojump_clock: MockClock
) -> None:
    """It is started once and told often."""
    watchdog = Watchdog(SHORTEST)
    watchdog.allow(first)
    async with trio.open_nursery() as nursery:
        await trio.sleep(2)
        nursery.start_soon(watchdog.run)
        with watchdog.scope:
            await trio.sleep_forever()
        assert autojump_clock.current_time() == first

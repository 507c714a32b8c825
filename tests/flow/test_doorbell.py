import trio
from trio.testing import MockClock

from appliance.flow.doorbell import Doorbell


async def test_a_ring_during_work_is_not_lost(autojump_clock: MockClock) -> None:
    """The next sleep does not happen."""
    bell = Doorbell()
    bell.ring()
    await bell.wait(60)
    assert autojump_clock.current_time() == 0


async def test_a_ring_cuts_the_sleep_short(autojump_clock: MockClock) -> None:
    """And one ring wakes once."""
    bell = Doorbell()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bell.wait, 60)
        await trio.testing.wait_all_tasks_blocked()
        bell.ring()
    assert autojump_clock.current_time() == 0
    await bell.wait(60)
    assert autojump_clock.current_time() == 60

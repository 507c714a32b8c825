import trio
from trio.testing import MockClock

from appliance.flow.pace import BURST, Pace


async def test_so_much_happens_a_second_and_no_more(autojump_clock: MockClock) -> None:
    """However many ask; what was late is made up for by a few at once."""
    pace = Pace(100)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(200):
            nursery.start_soon(pace.wait)
    took = trio.current_time() - began
    assert 2 - (BURST + 1) / 100 <= took <= 2
    autojump_clock.jump(10)
    began = trio.current_time()
    for _ in range(BURST + 1):
        await pace.wait()
    assert trio.current_time() == began
    await pace.wait()
    assert trio.current_time() > began

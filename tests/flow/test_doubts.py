from pathlib import Path

import pytest

from appliance.core.delivery import State
from appliance.core.doubt import Wish
from appliance.core.message import Request
from appliance.core.retry import RetryPlan
from appliance.flow import doubts as doubts_module
from appliance.flow.directory import DirectoryKeeper
from appliance.flow.doubts import IDLE_SECONDS, SECOND_NS, Doubting, Doubts
from appliance.store.claim import claim
from appliance.store.database import Store
from appliance.store.deliveries import counts_by_state
from appliance.store.doubt import Dot, note_dots, rescue
from appliance.store.messages import accept
from appliance.store.providers import NewProvider, update_provider
from tests.fakes.store import NOW_NS, Seeded, open_temp_store, seed

WAIT_NS = 600 * SECOND_NS
PLAN = RetryPlan((60,))


async def doubting(store: Store, wish: Wish, plan: RetryPlan = PLAN) -> Doubts:
    """The loop over a store."""
    directory = await DirectoryKeeper.load(store)
    return Doubts(store, directory, Doubting(wish, plan), lambda: NOW_NS)


async def in_doubt(store: Store, seeded: Seeded, number: int) -> None:
    """So many deliveries in doubt."""
    messages = tuple(seeded.message() for _ in range(number))
    await store.write_each(accept, Request(messages))
    copies = await store.write(claim, NOW_NS, number, 1 << 20)
    await store.write(note_dots, [Dot(copy.id, NOW_NS) for copy in copies])
    await store.write(rescue, NOW_NS, WAIT_NS)


@pytest.mark.parametrize(
    ("wish", "state"), [(Wish.RESEND, State.QUEUED), (Wish.HOLD, State.HELD)]
)
async def test_doubts_end_at_their_time_as_was_wished(
    tmp_path: Path, wish: Wish, state: State
) -> None:
    """Not before; then all of them, with the policy's state."""
    async with open_temp_store(tmp_path) as store:
        await in_doubt(store, await seed(store), 3)
        loop = await doubting(store, wish)
        assert await loop.run_once(NOW_NS) == IDLE_SECONDS
        assert (await store.read(counts_by_state))[State.IN_DOUBT] == 3
        almost = NOW_NS + WAIT_NS - SECOND_NS // 2
        assert await loop.run_once(almost) == pytest.approx(0.5)
        assert await loop.run_once(NOW_NS + WAIT_NS) == 0
        counts = await store.read(counts_by_state)
        assert (counts[State.IN_DOUBT], counts[state]) == (0, 3)


async def test_a_provider_s_own_plan_bounds_the_tries(tmp_path: Path) -> None:
    """Without a second try in it, what is in doubt is given up."""
    async with open_temp_store(tmp_path) as store:
        seeded = await seed(store)
        await in_doubt(store, seeded, 1)
        loop = await doubting(store, Wish.RESEND, RetryPlan(()))
        provider = seeded.provider
        new = NewProvider(
            provider.name, host=provider.host, port=provider.port, retry_plan="1s"
        )
        await store.write(update_provider, provider.id, new)
        await loop._directory.refresh()
        await loop.run_once(NOW_NS + WAIT_NS)
        assert (await store.read(counts_by_state))[State.QUEUED] == 1


async def test_many_doubts_end_a_batch_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others get to write in between."""
    monkeypatch.setattr(doubts_module, "BATCH", 2)
    async with open_temp_store(tmp_path) as store:
        await in_doubt(store, await seed(store), 3)
        loop = await doubting(store, Wish.DROP)
        for left in (1, 0, 0):
            await loop.run_once(NOW_NS + WAIT_NS)
            assert (await store.read(counts_by_state))[State.IN_DOUBT] == left


async def test_a_day_s_jump_of_the_clock_loses_nothing(tmp_path: Path) -> None:
    """ATTACKS 26: forward it ends doubts early, backward late; never twice."""
    day_ns = 86_400 * SECOND_NS
    async with open_temp_store(tmp_path) as store:
        await in_doubt(store, await seed(store), 1)
        loop = await doubting(store, Wish.RESEND)
        await loop.run_once(NOW_NS - day_ns)
        assert (await store.read(counts_by_state))[State.IN_DOUBT] == 1
        await loop.run_once(NOW_NS + day_ns)
        assert (await store.read(counts_by_state))[State.QUEUED] == 1
        await loop.run_once(NOW_NS - day_ns)
        assert (await store.read(counts_by_state))[State.QUEUED] == 1

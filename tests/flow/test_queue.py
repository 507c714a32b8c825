from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.core.message import Request
from appliance.core.pool import Pool
from appliance.core.queue import (
    EVERYTHING,
    Act,
    By,
    Order,
    QueueFilter,
    Tally,
)
from appliance.flow import queue as queue_module
from appliance.flow.queue import Done, QueueDesk
from appliance.store.claim import claim
from appliance.store.database import Store
from appliance.store.messages import accept
from appliance.store.transaction import Tx
from tests.fakes.store import NOW_NS, Seeded, open_temp_store, seed

HOLD = Order(Act.HOLD, EVERYTHING)


class Counter:
    """Bells that were rung."""

    def __init__(self) -> None:
        self.rings = 0

    def ring(self) -> None:
        """Once more."""
        self.rings += 1


@pytest.fixture
def bell() -> Counter:
    """The relay's."""
    return Counter()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store on disk."""
    async with open_temp_store(tmp_path) as one:
        yield one


@pytest.fixture
async def seeded(store: Store, monkeypatch: pytest.MonkeyPatch) -> Seeded:
    """Ten deliveries in it; acts go by waves of 4 in batches of 3."""
    monkeypatch.setattr(queue_module, "WAVE", 4)
    monkeypatch.setattr(queue_module, "BATCH", 3)
    made = await seed(store)
    for number in range(10):
        message = made.message(f"{number}@a.example")
        await store.write_each(accept, Request((message,)))
    return made


@pytest.fixture
def desk(store: Store, seeded: Seeded, bell: Counter) -> QueueDesk:
    """The desk of a running server."""
    assert seeded.pool.name == "main"
    return QueueDesk(store, lambda: NOW_NS, bell.ring)


def empty(tx: Tx, pool: Pool) -> None:
    """Take the last provider out of a pool, as removing the provider does."""
    tx.db.execute("DELETE FROM pool_share WHERE pool = ?", (pool.id,))


async def counted(desk: QueueDesk) -> dict[str, int]:
    """The queue by states."""
    _, counts = await desk.count(EVERYTHING, By.STATE)
    return counts


async def test_an_act_reaches_all_in_small_steps(
    desk: QueueDesk, bell: Counter
) -> None:
    """Progress is told after each, and the relay rung."""
    told: list[int] = []
    done = await desk.act(HOLD, progress=lambda tally: told.append(tally.changed))
    assert done == Done(Tally(changed=10))
    assert told == [3, 4, 7, 8, 10]
    assert bell.rings == 5
    assert await counted(desk) == {"held": 10}


async def test_what_needs_nothing_rings_nobody(desk: QueueDesk, bell: Counter) -> None:
    """The second time there is nothing to do."""
    await desk.act(HOLD)
    bell.rings = 0
    assert await desk.act(HOLD) == Done(Tally(unchanged=10))
    assert bell.rings == 0


async def test_an_act_can_be_done_in_parts(desk: QueueDesk) -> None:
    """Each says where to go on; the last says that it is the last."""
    first = await desk.act(HOLD, at_most=6)
    assert first.tally == Tally(changed=6)
    assert first.next == 6
    second = await desk.act(HOLD, after=6, at_most=6)
    assert second == Done(Tally(changed=4))
    assert (await desk.act(HOLD, after=4, at_most=6)).next == 10
    assert await desk.act(HOLD, after=10, at_most=6) == Done(Tally())


async def test_what_is_in_flight_is_counted_and_left(
    desk: QueueDesk, store: Store
) -> None:
    """The relay has it; the operator is told how many."""
    await store.write(claim, NOW_NS, 2, 1_000_000)
    done = await desk.act(Order(Act.DROP, EVERYTHING))
    assert done == Done(Tally(changed=8, in_flight=2))
    assert await counted(desk) == {"in_flight": 2}


async def test_new_mail_is_not_met(
    desk: QueueDesk, store: Store, seeded: Seeded
) -> None:
    """An act ends, however fast mail comes in meanwhile."""
    came: list[object] = []

    def more(_: Tally) -> None:
        store.write_later(accept, Request((seeded.message(),)), came.append)

    done = await desk.act(HOLD, progress=more)
    assert done == Done(Tally(changed=10))
    await store.write_each(accept, Request((seeded.message(),)))
    assert len(came) == 5
    assert await counted(desk) == {"held": 10, "queued": 6}


async def test_pools_are_found_by_name(
    desk: QueueDesk, store: Store, seeded: Seeded
) -> None:
    """One that has nowhere to send is no place to move mail to."""
    assert await desk.find_pool("main") == seeded.pool.id
    assert await desk.find_pool("nosuch") == "there is no pool nosuch"
    await store.write(empty, seeded.pool)
    assert await desk.find_pool("main") == "pool main has no provider"
    assert await desk.find_fault(QueueFilter(pool="x")) == "there is no pool x"


async def test_lists_are_cut(desk: QueueDesk) -> None:
    """By a number and a limit."""
    found = await desk.look(EVERYTHING, 2, after=3)
    assert [one.recipient for one in found] == ["3@a.example", "4@a.example"]

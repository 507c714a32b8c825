from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.core.delivery import Settlement, State
from appliance.core.message import Request
from appliance.flow.clockwatch import SECOND_NS, ClockWatch
from appliance.store import shift
from appliance.store.claim import claim
from appliance.store.database import Store
from appliance.store.deliveries import next_due_ns, settle
from appliance.store.doubt import Dot, next_overdue_ns, note_dots, rescue
from appliance.store.messages import accept
from tests.fakes.store import NOW_NS, Seeded, open_temp_store, seed

DAY_NS = 86_400 * SECOND_NS
HOUR_NS = 3_600 * SECOND_NS


@dataclass
class Clocks:
    """The machine's clock, and one that cannot be set."""

    now_ns: int = NOW_NS
    steady_s: float = 1000.0

    def pass_by(self, seconds: int) -> None:
        """Time goes by for both."""
        self.now_ns += seconds * SECOND_NS
        self.steady_s += seconds


def watch(store: Store, clocks: Clocks) -> ClockWatch:
    """A watch that reads these clocks."""
    return ClockWatch(store, lambda: clocks.now_ns, lambda: clocks.steady_s)


async def retried(store: Store, seeded: Seeded, due_ns: int) -> None:
    """A mail that is tried again at that moment."""
    await store.write_each(accept, Request((seeded.message(),)))
    (copy,) = await store.write(claim, NOW_NS, 1, 1 << 20)
    again = Settlement(copy.id, State.QUEUED, 1, due_ns=due_ns)
    assert await store.write_each(settle, again)


async def test_what_waits_waits_no_day_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ATTACKS 26: set back by a day, each still waits as long as it was to wait."""
    monkeypatch.setattr(shift, "BATCH", 1)
    async with open_temp_store(tmp_path) as store:
        seeded, clocks = await seed(store), Clocks()
        await retried(store, seeded, NOW_NS + 2 * HOUR_NS)
        await retried(store, seeded, NOW_NS + HOUR_NS)
        watching = watch(store, clocks)
        clocks.now_ns -= DAY_NS
        assert await watching.run_once()
        assert await store.read(next_due_ns) == NOW_NS - DAY_NS + HOUR_NS
        clocks.pass_by(60)
        assert not await watching.run_once()
        assert await store.read(next_due_ns) == NOW_NS - DAY_NS + HOUR_NS


async def test_what_was_due_is_due(tmp_path: Path) -> None:
    """New mail that had not left yet goes at once; doubts end in their time."""
    async with open_temp_store(tmp_path) as store:
        seeded, clocks = await seed(store), Clocks()
        await store.write_each(accept, Request((seeded.message(), seeded.message())))
        (copy,) = await store.write(claim, NOW_NS, 1, 1 << 20)
        await store.write(note_dots, [Dot(copy.id, NOW_NS)])
        await store.write(rescue, NOW_NS, HOUR_NS)
        watching = watch(store, clocks)
        clocks.now_ns -= DAY_NS
        await watching.run_once()
        assert await store.read(next_due_ns) == clocks.now_ns
        assert await store.read(next_overdue_ns) == clocks.now_ns + HOUR_NS


async def test_small_corrections_and_leaps_forward_move_nothing(
    tmp_path: Path,
) -> None:
    """A clock that is led along, and one that was behind, are no trouble."""
    async with open_temp_store(tmp_path) as store:
        seeded, clocks = await seed(store), Clocks()
        await retried(store, seeded, NOW_NS + HOUR_NS)
        watching = watch(store, clocks)
        for step_ns in (-30 * SECOND_NS, DAY_NS, -30 * SECOND_NS):
            clocks.now_ns += step_ns
            assert not await watching.run_once()
        assert await store.read(next_due_ns) == NOW_NS + HOUR_NS
        clocks.now_ns -= DAY_NS
        assert await watching.run_once()

"""Reports taken in, and memory that knows at once what followed."""

from pathlib import Path

import pytest

from appliance.core.address import Address
from appliance.core.event import EventType
from appliance.core.ids import uuid7
from appliance.core.message import Request
from appliance.core.report import Report
from appliance.flow.directory import DirectoryKeeper
from appliance.flow.reports import ReportDesk
from appliance.store.claim import claim
from appliance.store.deliveries import settle
from appliance.store.messages import accept
from tests.fakes.store import NOW_NS, open_temp_store, seed, sent


@pytest.mark.parametrize(("seconds", "later"), [(0, True), (2, False)])
async def test_a_hard_bounce_may_roll_off(
    tmp_path: Path, seconds: float, *, later: bool
) -> None:
    """After as long as the operator says, or never; whoever reports it."""
    async with open_temp_store(tmp_path) as store:
        seeded = await seed(store)
        owner = seeded.sub_account.id
        both = tuple(seeded.message(f"{one}@x.example") for one in "ab")
        await store.write_each(accept, Request(both))
        for copy in await store.write(claim, NOW_NS, 9, 10**9):
            await store.write_each(settle, sent(copy))
        directory = await DirectoryKeeper.load(store)
        desk = ReportDesk(store, directory, lambda: NOW_NS, hard_bounce_s=seconds)
        log, back = (
            Report(EventType.HARD_BOUNCED, one.deliveries[0].uuid) for one in both
        )
        assert await desk.take(seeded.provider.id, [log]) == [True]
        assert await desk.take_returned(owner, [back]) == [True]
        for name in "ab":
            address = Address(name, "x.example")
            assert directory.is_suppressed(owner, address, NOW_NS + 1)
            assert directory.is_suppressed(owner, address, NOW_NS + 2 * 10**9) is later


async def test_a_hard_bounce_is_in_memory_when_it_is_answered(tmp_path: Path) -> None:
    """The agent's next line may be about a mail that is let go no more."""
    async with open_temp_store(tmp_path) as store:
        seeded = await seed(store)
        await store.write_each(accept, Request((seeded.message("bob@x.example"),)))
        (copy,) = await store.write(claim, NOW_NS, 1, 10**9)
        await store.write_each(settle, sent(copy))
        directory = await DirectoryKeeper.load(store)
        desk = ReportDesk(store, directory, lambda: NOW_NS)
        bob = Address("bob", "x.example")
        assert await desk.take(seeded.provider.id, []) == []
        assert not directory.is_suppressed(seeded.sub_account.id, bob)
        reports = [
            Report(EventType.HARD_BOUNCED, uuid7()),
            Report(EventType.HARD_BOUNCED, copy.uuid),
        ]
        assert await desk.take(seeded.provider.id, reports) == [False, True]
        assert directory.is_suppressed(seeded.sub_account.id, bob)

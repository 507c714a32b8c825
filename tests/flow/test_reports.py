"""Reports taken in, and memory that knows at once what followed."""

from pathlib import Path

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

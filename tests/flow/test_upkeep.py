from pathlib import Path

import pytest

from appliance.core.address import Address
from appliance.core.event import EventFilter
from appliance.core.message import Request
from appliance.core.suppression import SuppressionReason
from appliance.flow import upkeep as upkeep_module
from appliance.flow.directory import DirectoryKeeper
from appliance.flow.upkeep import (
    NEXT_SECONDS,
    PAUSE_SECONDS,
    SECOND_NS,
    Retention,
    Upkeep,
)
from appliance.store.events import list_events
from appliance.store.messages import accept, list_recent
from appliance.store.suppressions import add_suppression
from tests.fakes.store import NOW_NS, open_temp_store, seed

DAY = 86_400


async def test_old_things_go_and_unsent_mail_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batch by batch until nothing old is left; a queued mail is never old."""
    monkeypatch.setattr(upkeep_module, "BATCH", 2)
    async with open_temp_store(tmp_path) as store:
        seeded = await seed(store)
        for dropped in ("no", "no", "no", ""):
            await store.write_each(accept, Request((seeded.message(dropped=dropped),)))
        upkeep = Upkeep(store, Retention(10 * DAY, 5 * DAY, DAY), lambda: NOW_NS)
        assert await upkeep.run_once(NOW_NS + 4 * DAY * SECOND_NS) == PAUSE_SECONDS
        assert len(await store.read(list_recent, 9)) == 4
        later = NOW_NS + 6 * DAY * SECOND_NS
        assert await upkeep.run_once(later) == NEXT_SECONDS
        assert await upkeep.run_once(later) == PAUSE_SECONDS
        (left,) = await store.read(list_recent, 9)
        assert left.state.name == "QUEUED"
        assert len(await store.read(list_events, EventFilter(), limit=9)) == 7
        much_later = NOW_NS + 11 * DAY * SECOND_NS
        while await upkeep.run_once(much_later) == NEXT_SECONDS:
            pass
        assert await store.read(list_events, EventFilter(), limit=9) == []
        assert len(await store.read(list_recent, 9)) == 1


async def test_what_has_ended_is_lifted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batch by batch; memory forgets it too, and what still holds stays."""
    monkeypatch.setattr(upkeep_module, "BATCH", 2)
    async with open_temp_store(tmp_path) as store:
        owner = (await seed(store)).sub_account.id
        directory = await DirectoryKeeper.load(store)
        addresses = [Address(f"u{number}", "x.example") for number in range(4)]
        for at, one in enumerate(addresses):
            await store.write(
                add_suppression,
                owner,
                one,
                reason=SuppressionReason.HARD_BOUNCE,
                now_ns=NOW_NS,
                expires_ns=None if at == 0 else NOW_NS + DAY * SECOND_NS,
            )
        await directory.refresh_suppressions()
        upkeep = Upkeep(store, Retention(10 * DAY, 5 * DAY, DAY), lambda: NOW_NS)
        assert await upkeep.run_once(NOW_NS) == PAUSE_SECONDS
        assert all(directory.is_suppressed(owner, one) for one in addresses)
        later = NOW_NS + DAY * SECOND_NS
        assert await upkeep.run_once(later) == NEXT_SECONDS
        assert await upkeep.run_once(later) == PAUSE_SECONDS
        await directory.refresh(await store.pulse())
        held = [directory.is_suppressed(owner, one) for one in addresses]
        assert held == [True, False, False, False]

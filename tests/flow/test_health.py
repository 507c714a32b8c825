"""Health as it is kept, told and found again."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from appliance.core.breaker import PATIENCE
from appliance.core.event import Event, EventFilter, EventType
from appliance.core.ids import ProviderId
from appliance.core.provider import Provider
from appliance.flow.facts import event_facts
from appliance.flow.health import Infirmary
from appliance.flow.settle import SECOND_NS
from appliance.store.database import Store
from appliance.store.events import list_events
from appliance.store.health import load_health
from tests.fakes.store import NOW_NS, open_temp_store, seed


def infirmary(store: Store, provider: Provider) -> Infirmary:
    """An infirmary of one provider."""
    return Infirmary(store, PATIENCE, lambda: {provider.id: provider})


def fail(one: Infirmary, provider: Provider, times: int) -> int:
    """So many failures, a second from each to the next; the time after them."""
    now = NOW_NS
    for _ in range(times):
        now += SECOND_NS
        one.failed(provider.id, "no route to host", now - 1, now)
    return now


async def kept(store: Store) -> None:
    """Returns once what was said is on disk."""
    with trio.fail_after(5):
        while not await store.read(load_health):
            await wait_all_tasks_blocked(0.001)


async def test_health_survives_a_restart(tmp_path: Path) -> None:
    """Another process leaves it alone as long as this one would have."""
    async with open_temp_store(tmp_path) as store:
        provider = (await seed(store)).provider
        now = fail(infirmary(store, provider), provider, 3)
        await kept(store)
    async with open_temp_store(tmp_path) as store:
        after = infirmary(store, provider)
        assert after.restraints(now) == {}
        await after.load()
        assert after.restraints(now)[provider.id].most == 0
        later = now + PATIENCE.pause_ns
        assert after.restraints(later)[provider.id].most == 1
        after.answered(provider.id, later)
        assert after.restraints(later) == {}


async def test_its_ways_are_told_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Down once, still down at each trial that fails, and up; a blip is silent."""
    caplog.set_level("INFO")
    async with open_temp_store(tmp_path) as store:
        provider = (await seed(store)).provider
        one = infirmary(store, provider)
        now = fail(one, provider, 2)
        one.answered(provider.id, now)
        assert caplog.messages == []
        now = fail(one, provider, 4)
        one.failed(provider.id, "still", now + 60 * SECOND_NS, now + 61 * SECOND_NS)
        one.answered(provider.id, now + 90 * SECOND_NS)
        one.answered(provider.id, now + 91 * SECOND_NS)
    assert caplog.messages == ["provider.down", "provider.still_down", "provider.up"]


async def test_down_and_up_are_events_of_nobodys_mail(tmp_path: Path) -> None:
    """One each, numbered with the others; a sub-account does not read them."""
    async with open_temp_store(tmp_path) as store:
        seeded = await seed(store)
        provider = seeded.provider
        told: list[Event] = []
        store.on_commit(told.extend)
        one = infirmary(store, provider)
        now = fail(one, provider, 4)
        one.failed(provider.id, "still", now + 60 * SECOND_NS, now + 61 * SECOND_NS)
        one.answered(provider.id, now + 90 * SECOND_NS)
        with trio.fail_after(5):
            while len(told) < 2:
                await wait_all_tasks_blocked(0.001)
        listed = await store.read(list_events, limit=9)
        own = EventFilter(sub_account=seeded.sub_account.id)
        assert await store.read(list_events, own, limit=9) == []
    assert told == listed
    assert [one.type for one in told] == [
        EventType.PROVIDER_DOWN,
        EventType.PROVIDER_UP,
    ]
    down, up = told
    assert down.data == {"reason": "no route to host"}
    assert up.data == {"downForSeconds": 91}
    assert event_facts(down)["provider"] == "upstream"
    assert (event_facts(up)["message"], event_facts(up)["delivery"]) == (None, None)


async def test_what_waits_is_told_for_what(tmp_path: Path) -> None:
    """The provider by its name, and its last words."""
    async with open_temp_store(tmp_path) as store:
        provider = (await seed(store)).provider
        one = infirmary(store, provider)
        now = fail(one, provider, 1)
        assert one.again(provider.id, now) == (
            now + SECOND_NS,
            "provider upstream could not be reached: no route to host",
        )
        now = fail(one, provider, 3)
        assert one.again(provider.id, now) == (
            one.of(provider.id).probe_ns,
            "provider upstream is down: no route to host",
        )


async def test_a_provider_that_was_removed_harms_nobody(tmp_path: Path) -> None:
    """Its last tries may still come in."""
    async with open_temp_store(tmp_path) as store:
        provider = (await seed(store)).provider
        one = infirmary(store, provider)
        gone = ProviderId(provider.id + 1)
        one.failed(gone, "late", NOW_NS, NOW_NS + 1)
        assert (
            one.again(gone, NOW_NS)[1] == f"provider {gone} could not be reached: late"
        )


async def test_a_passed_test_is_a_reason_to_try_at_once(tmp_path: Path) -> None:
    """A report of its log agent is none."""
    async with open_temp_store(tmp_path) as store:
        provider = (await seed(store)).provider
        known = {provider.id: provider}
        one = Infirmary(store, PATIENCE, lambda: known)
        now = fail(one, provider, 3)
        known[provider.id] = replace(provider, agent_last_seen_ns=now)
        assert one.restraints(now)[provider.id].most == 0
        known[provider.id] = replace(provider, tested_ns=now)
        assert one.restraints(now)[provider.id].most == 1

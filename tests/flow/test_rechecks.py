"""Looking again: when, at what, how many at a time, and what is told of it."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from appliance.core.domain import (
    KEEP_RETIRED_NS,
    Algorithm,
    DkimKey,
    Proof,
    Purpose,
    Record,
    SenderDomain,
    Stage,
)
from appliance.core.ids import SubAccountId
from appliance.flow import rechecks as rechecks_module
from appliance.flow.rechecks import (
    BATCH,
    GATHER_SECONDS,
    IDLE_SECONDS,
    NEXT_SECONDS,
    SECOND_NS,
    Rechecks,
)
from appliance.net.dns import Found, Trouble
from appliance.store.database import Store
from appliance.store.domain_checks import DAILY_NS, SOON_NS, next_look_ns
from appliance.store.domain_keys import add_next_key
from appliance.store.domains import add_domain, get_domain, remove_domain
from appliance.store.transaction import Tx
from tests.fakes.store import NOW_NS, open_temp_store, seed

GONE = Found(trouble=Trouble.NO_NAME)


class World:
    """A domain, a DNS that a test fills, and the loop between them."""

    def __init__(self, store: Store, domain: SenderDomain) -> None:
        self.store = store
        self.zone: dict[str, Found] = {}
        self.asked: list[str] = []
        self.most_at_a_time = 0
        self.was_asked = trio.Event()
        self.now_ns = NOW_NS
        self._at_a_time = 0
        self._domain = domain
        self.rechecks = Rechecks(
            store, lambda: self, dns_seconds=5, clock=lambda: self.now_ns
        )

    async def lookup(self, name: str, kind: str) -> Found:
        """What the zone has; what it has not does not exist."""
        assert kind in ("TXT", "CNAME")
        self.asked.append(name)
        self.was_asked.set()
        self._at_a_time += 1
        self.most_at_a_time = max(self.most_at_a_time, self._at_a_time)
        await trio.lowlevel.checkpoint()
        self._at_a_time -= 1
        return self.zone.get(name, GONE)

    async def domain(self) -> SenderDomain:
        """The domain as it is stored now."""
        found = await self.store.read(
            get_domain, self._domain.sub_account, self._domain.name
        )
        assert found is not None
        return found

    async def record(self, purpose: Purpose = Purpose.DKIM) -> Record:
        """A record of it."""
        found = (await self.domain()).record(purpose)
        assert found is not None
        return found

    async def publish(self) -> None:
        """All that the domain should publish stands in the DNS."""
        for one in (await self.domain()).records:
            self.zone[one.host] = Found((one.value,))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A store with one domain that was never looked at."""
    async with open_temp_store(tmp_path) as store:
        seeded = await seed(store)
        await store.write(remove_domain, seeded.domain.id)
        domain = await store.write(add, seeded.sub_account.id, "d.example")
        yield World(store, domain)


def add(tx: Tx, owner: SubAccountId, name: str) -> SenderDomain:
    """A domain with a DKIM key and a return path."""
    key = DkimKey("k1", Algorithm.RSA_SHA256, "cnNh", b"private")
    records = [
        Record(
            Purpose.DKIM,
            f"k1._domainkey.{name}",
            "TXT",
            "v=DKIM1;p=cnNh",
            selector="k1",
        ),
        Record(Purpose.RETURN_PATH, f"sp-bounce.{name}", "CNAME", "mail.example"),
    ]
    made = add_domain(tx, owner, name, keys=[key], records=records, now_ns=NOW_NS)
    assert made is not None
    return made


async def test_a_published_record_is_found_within_ten_minutes(world: World) -> None:
    """Nobody has to run `verify`, and nothing is asked before it can be there."""
    await world.rechecks.run_once(NOW_NS)
    assert world.asked == []
    await world.publish()
    await world.rechecks.run_once(NOW_NS + SOON_NS)
    assert sorted(world.asked) == ["k1._domainkey.d.example", "sp-bounce.d.example"]
    assert (await world.domain()).verified
    assert (await world.record()).checked_ns == NOW_NS + SOON_NS


async def test_the_loop_sleeps_until_there_is_something_to_do(world: World) -> None:
    """But not for long: a command may have added a domain."""
    assert await world.rechecks.run_once(NOW_NS) == IDLE_SECONDS
    due_ns = await world.store.read(next_look_ns, NOW_NS)
    assert due_ns is not None
    assert await world.rechecks.run_once(due_ns - 20 * SECOND_NS) == 20
    assert await world.rechecks.run_once(due_ns - 1) == GATHER_SECONDS
    domain = await world.domain()
    await world.store.write(remove_domain, domain.id)
    assert await world.rechecks.run_once(NOW_NS) == IDLE_SECONDS


async def test_a_record_that_vanishes_is_lost_on_the_third_day(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Each failed look is told, and the last one ends it: no mail is taken then."""
    caplog.set_level(logging.INFO)
    await world.publish()
    now_ns = NOW_NS + SOON_NS
    await world.rechecks.run_once(now_ns)
    del world.zone["k1._domainkey.d.example"]
    for day in (1, 2, 3):
        assert (await world.domain()).verified, day
        now_ns += DAILY_NS
        await world.rechecks.run_once(now_ns)
    domain = await world.domain()
    assert not domain.verified
    assert domain.signing_keys == ()
    record = await world.record()
    assert record.failure == "k1._domainkey.d.example TXT: the name does not exist"
    assert (await world.record(Purpose.RETURN_PATH)).verified
    assert caplog.messages == ["domain.record_verified"] * 2 + [
        "domain.record_missing",
        "domain.record_missing",
        "domain.record_lost",
    ]
    await world.publish()
    await world.rechecks.run_once(now_ns + SOON_NS)
    assert (await world.domain()).verified


async def test_a_record_that_comes_back_is_forgiven(world: World) -> None:
    """Two bad days and a good one are as if nothing had been."""
    await world.publish()
    now_ns = NOW_NS + SOON_NS
    await world.rechecks.run_once(now_ns)
    there = world.zone["k1._domainkey.d.example"]
    for zone in (GONE, GONE, there, GONE, GONE):
        world.zone["k1._domainkey.d.example"] = zone
        now_ns += DAILY_NS
        await world.rechecks.run_once(now_ns)
        assert (await world.domain()).verified
    assert (await world.record()).misses == 2


async def test_a_dns_that_does_not_answer_takes_nothing(world: World) -> None:
    """However long: it says nothing about the record."""
    await world.publish()
    now_ns = NOW_NS + SOON_NS
    await world.rechecks.run_once(now_ns)
    silent = Found(trouble=Trouble.NO_ANSWER)
    world.zone = dict.fromkeys(world.zone, silent)
    for _ in range(9):
        now_ns += DAILY_NS
        await world.rechecks.run_once(now_ns)
    assert (await world.record()).proof is Proof.DNS
    assert (await world.record()).misses == 0


async def test_a_restart_changes_nothing(world: World) -> None:
    """What is due follows from what is stored: another loop goes on where one ended."""
    await world.publish()
    await world.rechecks.run_once(NOW_NS + SOON_NS)
    again = World(world.store, await world.domain())
    await again.rechecks.run_once(NOW_NS + SOON_NS + DAILY_NS // 2)
    assert again.asked == []
    await again.rechecks.run_once(NOW_NS + SOON_NS + DAILY_NS)
    assert len(again.asked) == 2


async def test_after_a_standstill_a_few_are_asked_for_at_a_time(world: World) -> None:
    """No herd runs over the resolver, and all have their turn."""
    owner = (await world.domain()).sub_account
    for number in range(BATCH):
        await world.store.write(add, owner, f"d{number}.example")
    later_ns = NOW_NS + 30 * DAILY_NS
    pauses = [await world.rechecks.run_once(later_ns) for _ in range(3)]
    assert pauses == [NEXT_SECONDS, NEXT_SECONDS, IDLE_SECONDS]
    assert world.most_at_a_time <= BATCH
    assert len(world.asked) == len(set(world.asked)) == 2 * (BATCH + 1)


async def test_a_new_key_takes_over_and_the_old_one_goes_in_time(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Each step is told; no command is needed between them."""
    caplog.set_level(logging.INFO)
    await world.publish()
    now_ns = NOW_NS + SOON_NS
    await world.rechecks.run_once(now_ns)
    key = DkimKey("k2", Algorithm.RSA_SHA256, "Mg==", b"new", Stage.NEXT, now_ns)
    host = "k2._domainkey.d.example"
    record = Record(Purpose.DKIM, host, "TXT", "v=DKIM1;p=Mg==", selector="k2")
    await world.store.write(add_next_key, (await world.domain()).id, key, record)
    now_ns += SOON_NS
    await world.rechecks.run_once(now_ns)
    assert [one.selector for one in (await world.domain()).signing_keys] == ["k1"]
    await world.publish()
    now_ns += SOON_NS
    await world.rechecks.run_once(now_ns)
    assert [one.selector for one in (await world.domain()).signing_keys] == ["k2"]
    await world.rechecks.run_once(now_ns + KEEP_RETIRED_NS - 1)
    assert (await world.domain()).key("k1") is not None
    await world.rechecks.run_once(now_ns + KEEP_RETIRED_NS)
    assert (await world.domain()).key("k1") is None
    assert caplog.messages[-3:] == [
        "domain.record_verified",
        "domain.signs_anew",
        "domain.key_gone",
    ]


async def test_the_loop_looks_by_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A little after the start, by its own clock."""
    monkeypatch.setattr(rechecks_module, "FIRST_SECONDS", 0)
    world.now_ns = NOW_NS + SOON_NS
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.rechecks.run)
            await world.was_asked.wait()
            nursery.cancel_scope.cancel()

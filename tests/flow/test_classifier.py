import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing

from appliance.core.recipient_class import RecipientClass
from appliance.flow.classifier import (
    AGAIN_NS,
    AT_A_TIME,
    FRESH_NS,
    PASS_SECONDS,
    Classifier,
    Room,
)
from appliance.net.dns import Found, Trouble
from appliance.store.database import Store
from tests.fakes.store import NOW_NS, open_temp_store

GOOGLE = Found(("10 aspmx.l.google.com",))
OFFICE = Found(("0 acme-example.mail.protection.outlook.com",))
SILENCE = Found(trouble=Trouble.NO_ANSWER)
Class = RecipientClass


class Zone:
    """A resolver that answers from a table, and counts."""

    def __init__(self) -> None:
        self.table: dict[str, Found] = {}
        self.asked: list[str] = []
        self.under_way = 0
        self.most = 0

    async def lookup(self, name: str, kind: str) -> Found:
        """The table's answer; no such name, if it is not in it."""
        assert kind == "MX"
        self.asked.append(name)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await trio.sleep(0.1)
        finally:
            self.under_way -= 1
        return self.table.get(name, Found(trouble=Trouble.NO_NAME))


class Clinic:
    """A classifier with a clock and a zone that the test moves."""

    def __init__(self, store: Store, room: Room, *, by_mx: bool = True) -> None:
        self.now_ns = NOW_NS
        self.zone = Zone()
        self.classifier = Classifier(
            store,
            (lambda: self.zone) if by_mx else None,
            dns_seconds=5,
            clock=lambda: self.now_ns,
            room=room,
        )

    def of(self, domain: str) -> RecipientClass:
        """What it says now."""
        return self.classifier.of(domain)

    async def once(self) -> None:
        """One pass."""
        await self.classifier.run_once(self.now_ns)


ROOM = Room(memory=100, rows=100, asked=50)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store on a real disk."""
    async with open_temp_store(tmp_path) as opened:
        yield opened


@pytest.fixture
def clinic(store: Store, autojump_clock: trio.testing.MockClock) -> Clinic:
    """A classifier that knows nothing yet."""
    assert autojump_clock.autojump_threshold == 0
    return Clinic(store, ROOM)


async def test_mailbox_providers_need_no_look_up(clinic: Clinic) -> None:
    """They are known at once, and nobody is asked."""
    assert clinic.of("gmail.com") is Class.GMAIL
    await clinic.once()
    assert clinic.zone.asked == []


async def test_a_business_is_known_after_a_look_up(clinic: Clinic) -> None:
    """Until then it is of the default class: no mail waits for the DNS."""
    clinic.zone.table["acme.example"] = OFFICE
    assert clinic.of("acme.example") is Class.DEFAULT
    await clinic.once()
    assert clinic.of("acme.example") is Class.OFFICE365


async def test_a_domain_is_asked_about_once_a_week(clinic: Clinic) -> None:
    """Also one without MX; the old class holds until the new one is known."""
    clinic.zone.table["acme.example"] = OFFICE
    for _ in range(3):
        clinic.of("acme.example")
        clinic.of("none.example")
        await clinic.once()
    assert sorted(clinic.zone.asked) == ["acme.example", "none.example"]
    clinic.zone.table["acme.example"] = GOOGLE
    clinic.now_ns += FRESH_NS
    assert clinic.of("acme.example") is Class.OFFICE365
    await clinic.once()
    assert clinic.of("acme.example") is Class.GOOGLEWORKSPACE


async def test_silence_of_the_resolver_changes_nothing(clinic: Clinic) -> None:
    """What was known stays known, and it is asked again ten minutes later."""
    clinic.zone.table["acme.example"] = OFFICE
    clinic.of("acme.example")
    await clinic.once()
    clinic.now_ns += FRESH_NS
    clinic.zone.table["acme.example"] = SILENCE
    for _ in range(3):
        assert clinic.of("acme.example") is Class.OFFICE365
        await clinic.once()
    assert len(clinic.zone.asked) == 2
    clinic.now_ns += AGAIN_NS
    clinic.of("acme.example")
    await clinic.once()
    assert len(clinic.zone.asked) == 3


async def test_a_resolver_that_never_answers_costs_its_deadline(
    store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    """The pass ends, whatever the DNS does."""

    class Nobody:
        async def lookup(self, name: str, kind: str) -> Found:
            assert name == "acme.example"
            assert kind == "MX"
            await trio.sleep_forever()
            raise AssertionError

    classifier = Classifier(store, Nobody, dns_seconds=5, clock=lambda: NOW_NS)
    classifier.of("acme.example")
    await classifier.run_once(NOW_NS)
    assert autojump_clock.current_time() == pytest.approx(5, abs=0.1)
    assert classifier.of("acme.example") is Class.DEFAULT


async def test_what_was_found_out_outlives_the_process(
    store: Store, clinic: Clinic
) -> None:
    """After a start the first mail is of the right class."""
    clinic.zone.table["acme.example"] = OFFICE
    clinic.of("acme.example")
    await clinic.once()
    after = Clinic(store, ROOM)
    await after.classifier.load()
    assert after.of("acme.example") is Class.OFFICE365
    await after.once()
    assert after.zone.asked == []


async def test_what_memory_has_no_room_for_is_read_not_looked_up(
    store: Store, clinic: Clinic
) -> None:
    """The disk remembers more than the memory does."""
    clinic.zone.table["acme.example"] = OFFICE
    clinic.of("acme.example")
    await clinic.once()
    after = Clinic(store, ROOM)  # not loaded
    assert after.of("acme.example") is Class.DEFAULT
    await after.once()
    assert after.of("acme.example") is Class.OFFICE365
    assert after.zone.asked == []


async def test_a_million_made_up_domains_are_bounded(store: Store) -> None:
    """Memory, what waits, and look-ups at a time; those in use stay known."""
    clinic = Clinic(store, Room(memory=30, rows=30, asked=50))
    clinic.zone.table["acme.example"] = OFFICE
    clinic.of("acme.example")
    await clinic.once()
    for number in range(200):
        clinic.of(f"d{number}.example")
    for _ in range(10):
        assert clinic.of("acme.example") is Class.OFFICE365
        await clinic.once()
    assert len(clinic.zone.asked) == 1 + 50
    assert clinic.zone.most == AT_A_TIME
    assert len(clinic.classifier._known) == 30
    assert clinic.classifier._asked == {}


async def test_look_ups_come_a_few_a_second(clinic: Clinic) -> None:
    """A pass looks up so many at most, and the next one comes a second later."""
    for number in range(3 * AT_A_TIME - 10):
        clinic.of(f"d{number}.example")
    for looked_up in (AT_A_TIME, 2 * AT_A_TIME, 3 * AT_A_TIME - 10):
        pause = await clinic.classifier.run_once(clinic.now_ns)
        assert pause == PASS_SECONDS
        assert len(clinic.zone.asked) == looked_up


async def test_a_clock_that_is_set_back_makes_nothing_last(clinic: Clinic) -> None:
    """ATTACKS 26: what was checked tomorrow is checked again today."""
    clinic.of("acme.example")
    await clinic.once()
    clinic.now_ns -= 86_400 * 1_000_000_000
    clinic.zone.table["acme.example"] = OFFICE
    clinic.of("acme.example")
    await clinic.once()
    assert clinic.of("acme.example") is Class.OFFICE365


async def test_without_look_ups_only_names_are_known(
    store: Store, clinic: Clinic
) -> None:
    """relay.classify_by_mx = false: nothing is asked, read or remembered."""
    clinic.zone.table["acme.example"] = OFFICE
    clinic.of("acme.example")
    await clinic.once()
    off = Clinic(store, ROOM, by_mx=False)
    await off.classifier.load()
    assert off.of("acme.example") is Class.DEFAULT
    assert off.of("gmail.com") is Class.GMAIL
    await off.once()
    assert off.classifier._asked == {}


async def test_it_may_be_asked_in_another_thread(clinic: Clinic) -> None:
    """The claim runs in the store's thread, while look-ups come in here."""
    over = threading.Event()

    def ask() -> None:
        number = 0
        while not over.is_set():
            clinic.of(f"d{number % 300}.example")
            number += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, ask)
        for _ in range(20):
            await clinic.once()
        over.set()
    assert len(clinic.classifier._known) <= ROOM.memory
    assert len(clinic.classifier._asked) <= ROOM.asked

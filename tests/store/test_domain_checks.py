from dataclasses import replace

import pytest

from appliance.core.domain import (
    FAILED_LOOKS,
    Algorithm,
    DkimKey,
    Look,
    Proof,
    Purpose,
    Record,
    SenderDomain,
    Stage,
)
from appliance.core.ids import DomainId, SubAccountId
from appliance.store.database import Store
from appliance.store.domain_checks import (
    DAILY_NS,
    SOON_NS,
    due_records,
    next_look_ns,
    note_looks,
    trust_domain,
)
from appliance.store.domain_keys import add_next_key
from appliance.store.domains import add_domain, get_domain, remove_domain
from tests.fakes.store import NOW_NS, Seeded

KEY = DkimKey("rsa", Algorithm.RSA_SHA256, "cnNh", b"rsa private")
NEXT = DkimKey("rsa2", Algorithm.RSA_SHA256, "Mg==", b"other", Stage.NEXT, NOW_NS)
DKIM = Record(Purpose.DKIM, "rsa._domainkey.b.example", "TXT", "v=1", selector="rsa")
DMARC = Record(Purpose.DMARC, "_dmarc.b.example", "TXT", "v=DMARC1; p=none")
NEXT_DKIM = replace(
    DKIM, host="rsa2._domainkey.b.example", selector="rsa2", stage=Stage.NEXT
)


@pytest.fixture
async def domain(store: Store, seeded: Seeded) -> SenderDomain:
    """A domain with two records, not looked at yet, and no other."""
    await store.write(remove_domain, seeded.domain.id)
    return await new_domain(store)


async def new_domain(store: Store, name: str = "b.example") -> SenderDomain:
    """Another such domain."""
    added = await store.write(
        add_domain,
        SubAccountId(1),
        name,
        keys=[KEY],
        records=[DKIM, DMARC],
        now_ns=NOW_NS,
    )
    assert added is not None
    return added


async def reload(store: Store, domain: SenderDomain) -> SenderDomain:
    """The domain as it is stored now."""
    found = await store.read(get_domain, domain.sub_account, domain.name)
    assert found is not None
    return found


def look(record: Record, at_ns: int, failure: str = "") -> Look:
    """A look at the record that was answered."""
    return Look(record.purpose, record.selector, at_ns, failure)


async def test_a_look_is_kept(store: Store, domain: SenderDomain) -> None:
    """Proof, time and failure; what the record is stays as it was."""
    noted = await store.write(
        note_looks,
        [
            (domain.id, look(DKIM, NOW_NS + 1)),
            (domain.id, look(DMARC, NOW_NS + 2, "gone")),
        ],
    )
    dkim, dmarc = (await reload(store, domain)).records
    assert dkim == replace(DKIM, proof=Proof.DNS, checked_ns=NOW_NS + 1)
    assert dmarc == replace(DMARC, checked_ns=NOW_NS + 2, failure="gone")
    assert noted.records == ((domain.id, DKIM, dkim),)


async def test_memory_hears_only_of_what_changed(
    store: Store, domain: SenderDomain
) -> None:
    """Looks that find what was known make nobody read all configuration anew."""

    async def felt(*looks: Look) -> bool:
        before = (await store.pulse()).configuration
        await store.write(note_looks, [(domain.id, one) for one in looks])
        return (await store.pulse()).configuration != before

    assert not await felt(look(DKIM, NOW_NS + 1, "gone"))
    assert await felt(look(DKIM, NOW_NS + 2))
    assert not await felt(look(DKIM, NOW_NS + 3))
    days = [NOW_NS + day * DAILY_NS for day in range(1, FAILED_LOOKS + 1)]
    assert [await felt(look(DKIM, day, "gone")) for day in days] == [False, False, True]
    assert not (await reload(store, domain)).verified


async def test_the_operators_word_stands(store: Store, domain: SenderDomain) -> None:
    """Records that are trusted by hand are not unproven by a look."""
    assert await store.write(trust_domain, domain.id, [Purpose.DKIM], NOW_NS) == 1
    for day in range(9):
        seen = look(DKIM, NOW_NS + day * DAILY_NS, "no such name")
        await store.write(note_looks, [(domain.id, seen)])
    (dkim, _) = (await reload(store, domain)).records
    assert (dkim.proof, dkim.failure) == (Proof.OPERATOR, "no such name")


async def test_trusting_what_is_not_there_trusts_nothing(
    store: Store, domain: SenderDomain
) -> None:
    """The number of records tells the operator."""
    purposes = [Purpose.TRACKING]
    assert await store.write(trust_domain, domain.id, purposes, NOW_NS) == 0
    assert await store.write(trust_domain, DomainId(99), [Purpose.DKIM], NOW_NS) == 0


async def test_a_look_at_what_is_gone_is_passed_over(
    store: Store, domain: SenderDomain
) -> None:
    """Somebody may remove a domain while the resolver still thinks."""
    await store.write(remove_domain, domain.id)
    noted = await store.write(note_looks, [(domain.id, look(DKIM, NOW_NS))])
    assert noted.records == ()
    assert noted.promoted == ()


async def test_an_unverified_record_is_due_after_ten_minutes(
    store: Store, domain: SenderDomain
) -> None:
    """So is a new one: a resolver that was asked too soon remembers the nothing."""

    async def due(at_ns: int) -> set[Purpose]:
        found = await store.read(due_records, at_ns, 9)
        assert {(one.domain, one.name) for one in found} <= {(domain.id, "b.example")}
        return {one.record.purpose for one in found}

    both = {Purpose.DKIM, Purpose.DMARC}
    assert await due(NOW_NS + SOON_NS * 9 // 10 - 1) == set()
    assert await due(NOW_NS + SOON_NS) == both
    later = NOW_NS + SOON_NS
    seen = [(domain.id, look(DKIM, later)), (domain.id, look(DMARC, later, "gone"))]
    await store.write(note_looks, seen)
    assert await due(later + SOON_NS * 9 // 10 - 1) == set()
    assert await due(later + SOON_NS) == {Purpose.DMARC}
    assert await due(later + DAILY_NS * 9 // 10 - 1) == {Purpose.DMARC}
    assert await due(later + DAILY_NS) == both


async def test_the_next_look_is_foreseen(store: Store, domain: SenderDomain) -> None:
    """So that the loop can sleep until then."""
    due_ns = await store.read(next_look_ns, NOW_NS)
    assert due_ns is not None
    assert NOW_NS + SOON_NS * 9 // 10 <= due_ns <= NOW_NS + SOON_NS
    assert await store.read(due_records, due_ns - 1, 9) == []
    assert await store.read(due_records, due_ns, 9)
    await store.write(remove_domain, domain.id)
    assert await store.read(next_look_ns, NOW_NS) is None


async def test_those_that_wait_longest_come_first(
    store: Store, domain: SenderDomain
) -> None:
    """However many are due, each has its turn."""
    other = await new_domain(store, "c.example")
    seen = [(domain.id, look(one, NOW_NS + 9, "gone")) for one in (DKIM, DMARC)]
    await store.write(note_looks, seen)
    found = await store.read(due_records, NOW_NS + DAILY_NS, 3)
    assert [one.domain for one in found] == [other.id, other.id, domain.id]


async def test_domains_of_one_moment_are_spread(
    store: Store, domain: SenderDomain
) -> None:
    """Those that were added by one script are not all looked up at once for ever."""
    await store.write(remove_domain, domain.id)
    made = [await new_domain(store, f"d{number}.example") for number in range(20)]
    half_way = NOW_NS + SOON_NS * 95 // 100
    found = await store.read(due_records, half_way, 99)
    assert 4 < len({one.domain for one in found}) < len(made) - 4


async def test_a_clock_that_went_back_makes_one_look_due(
    store: Store, domain: SenderDomain
) -> None:
    """A record that was seen in the future is seen again now, and then in time."""
    await store.write(note_looks, [(domain.id, look(DKIM, NOW_NS + 9 * DAILY_NS))])
    (due,) = await store.read(due_records, NOW_NS, 9)
    assert due.record.purpose is Purpose.DKIM
    await store.write(note_looks, [(domain.id, look(DKIM, NOW_NS))])
    assert await store.read(due_records, NOW_NS + 1, 9) == []


async def test_a_look_at_a_new_key_s_record_lets_it_take_over(
    store: Store, domain: SenderDomain
) -> None:
    """From that commit on the new one signs; before it, the old one did."""
    await store.write(note_looks, [(domain.id, look(DKIM, NOW_NS))])
    assert await store.write(add_next_key, domain.id, NEXT, NEXT_DKIM)
    waiting = await reload(store, domain)
    assert [one.selector for one in waiting.signing_keys] == ["rsa"]
    miss = look(NEXT_DKIM, NOW_NS + 1, "not yet")
    assert not (await store.write(note_looks, [(domain.id, miss)])).promoted
    noted = await store.write(note_looks, [(domain.id, look(NEXT_DKIM, NOW_NS + 2))])
    assert [one.selector for one in noted.promoted] == ["rsa2"]
    after = await reload(store, domain)
    assert after.verified
    assert [one.selector for one in after.signing_keys] == ["rsa2"]
    old = after.key("rsa")
    assert old is not None
    assert (old.stage, old.since_ns) == (Stage.RETIRED, NOW_NS + 2)
    assert after.verified_host(Purpose.DKIM) == NEXT_DKIM.host
    due = await store.read(due_records, NOW_NS + 9 * DAILY_NS, 9)
    assert "rsa" not in {one.record.selector for one in due}


async def test_a_new_key_is_given_its_time_too(
    store: Store, domain: SenderDomain
) -> None:
    """It was made just now, however old its domain is."""
    week_ns = NOW_NS + 7 * DAILY_NS
    seen = [(domain.id, look(one, week_ns)) for one in (DKIM, DMARC)]
    await store.write(note_looks, seen)
    key = replace(NEXT, since_ns=week_ns)
    await store.write(add_next_key, domain.id, key, NEXT_DKIM)
    assert await store.read(due_records, week_ns + SOON_NS // 2, 9) == []
    (due,) = await store.read(due_records, week_ns + SOON_NS, 9)
    assert due.record == NEXT_DKIM


async def test_trust_lets_a_new_key_take_over_too(
    store: Store, domain: SenderDomain
) -> None:
    """Where there is no public DNS, nobody else could say that it is published."""
    await store.write(add_next_key, domain.id, NEXT, NEXT_DKIM)
    await store.write(trust_domain, domain.id, [Purpose.DKIM], NOW_NS)
    after = await reload(store, domain)
    assert [one.selector for one in after.signing_keys] == ["rsa2"]

from appliance.core.domain import (
    KEEP_RETIRED_NS,
    Algorithm,
    DkimKey,
    Look,
    Purpose,
    Record,
    SenderDomain,
    Stage,
)
from appliance.core.ids import DomainId
from appliance.store.database import Store
from appliance.store.domain_checks import note_looks
from appliance.store.domain_keys import (
    KeyName,
    add_next_key,
    outlived_keys,
    remove_idle_key,
)
from appliance.store.domains import get_domain
from tests.fakes.store import NOW_NS, Seeded


def key(selector: str, algorithm: Algorithm = Algorithm.RSA_SHA256) -> DkimKey:
    """A key that waits for its record."""
    return DkimKey(selector, algorithm, "cnNh", b"private", Stage.NEXT, NOW_NS)


def record(one: DkimKey) -> Record:
    """Its record."""
    host = f"{one.selector}._domainkey.sender.example"
    return Record(
        one.purpose, host, "TXT", "v=1", selector=one.selector, stage=one.stage
    )


async def wait(store: Store, domain: DomainId, one: DkimKey) -> bool:
    """Have the key wait for its record."""
    return await store.write(add_next_key, domain, one, record(one))


async def see(store: Store, domain: DomainId, one: DkimKey, at_ns: int) -> None:
    """Have its record seen."""
    look = Look(one.purpose, one.selector, at_ns)
    await store.write(note_looks, [(domain, look)])


async def reload(store: Store, seeded: Seeded) -> SenderDomain:
    """The domain as it is stored now."""
    found = await store.read(get_domain, seeded.sub_account.id, seeded.domain.name)
    assert found is not None
    return found


async def test_a_key_that_waits_comes_back_with_its_record(
    store: Store, seeded: Seeded
) -> None:
    """And signs nothing."""
    new = key("new")
    assert await wait(store, seeded.domain.id, new)
    found = await reload(store, seeded)
    assert found.key("new") == new
    assert found.at(Stage.NEXT) == (record(new),)
    assert found.signing_keys == seeded.domain.signing_keys


async def test_one_key_of_a_kind_waits_at_a_time(store: Store, seeded: Seeded) -> None:
    """And no two keys of a domain stand in one place."""
    id_ = seeded.domain.id
    assert await wait(store, id_, key("new"))
    assert not await wait(store, id_, key("newer"))
    assert not await wait(store, id_, key("new", Algorithm.ED25519_SHA256))
    assert await wait(store, id_, key("ed", Algorithm.ED25519_SHA256))
    assert not await wait(store, DomainId(99), key("new"))


async def test_a_key_takes_over_from_its_own_kind_only(
    store: Store, seeded: Seeded
) -> None:
    """The signature of the other kind stays as it is."""
    ed = key("ed", Algorithm.ED25519_SHA256)
    await wait(store, seeded.domain.id, ed)
    await see(store, seeded.domain.id, ed, NOW_NS + 1)
    found = await reload(store, seeded)
    assert [one.selector for one in found.signing_keys] == ["ed", "pr1"]


async def test_a_key_that_signs_is_not_removed(store: Store, seeded: Seeded) -> None:
    """A key that waits may be taken back, one that retired may go."""
    id_ = seeded.domain.id
    await wait(store, id_, key("back"))
    assert not await store.write(remove_idle_key, id_, "pr1")
    assert not await store.write(remove_idle_key, id_, "other")
    assert await store.write(remove_idle_key, id_, "back")
    found = await reload(store, seeded)
    assert found.keys == seeded.domain.keys
    assert found.records == seeded.domain.records


async def test_retired_keys_are_kept_for_a_week(store: Store, seeded: Seeded) -> None:
    """Mail that they signed may still be on its way to somebody who verifies it."""
    id_, new, newer = seeded.domain.id, key("new"), key("newer")
    await wait(store, id_, new)
    await see(store, id_, new, NOW_NS + 1)
    await wait(store, id_, newer)
    await see(store, id_, newer, NOW_NS + 2)
    end_ns = NOW_NS + 1 + KEEP_RETIRED_NS
    assert await store.read(outlived_keys, end_ns - 1) == []
    gone = KeyName(id_, seeded.domain.name, "pr1")
    assert await store.read(outlived_keys, end_ns) == [gone]
    assert len(await store.read(outlived_keys, end_ns + 1)) == 2
    stages = {one.selector: one.stage for one in (await reload(store, seeded)).keys}
    retired = Stage.RETIRED
    assert stages == {"pr1": retired, "new": retired, "newer": Stage.ACTIVE}


async def test_each_record_is_known_by_its_key(store: Store, seeded: Seeded) -> None:
    """A look at one says nothing of the other, though both serve one purpose."""
    new = key("new")
    await wait(store, seeded.domain.id, new)
    look = Look(Purpose.DKIM, "new", NOW_NS + 5, "not there")
    await store.write(note_looks, [(seeded.domain.id, look)])
    found = await reload(store, seeded)
    assert found.at(Stage.NEXT)[0].failure == "not there"
    assert found.record(Purpose.DKIM) == seeded.domain.record(Purpose.DKIM)

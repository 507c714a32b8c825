from dataclasses import replace

from appliance.core.breaker import Health
from appliance.core.ids import ProviderId
from appliance.core.message import Request
from appliance.core.provider import AuthMethod, Kind, Security
from appliance.core.recipient_class import RecipientClass
from appliance.core.throttle import Limit, Limits
from appliance.store.database import Store
from appliance.store.health import load_health, save_health
from appliance.store.messages import accept
from appliance.store.providers import (
    NewProvider,
    add_provider,
    find_by_event_key,
    get_provider,
    list_providers,
    note_passed_test,
    remove_provider,
    set_event_key,
    update_provider,
)
from appliance.store.transaction import Tx
from tests.fakes.store import NOW_NS, Seeded

NEW = NewProvider(
    name="relay",
    kind=Kind.SMTP,
    host="mx.example",
    port=465,
    security=Security.TLS,
    username="joe",
    password="päss",
    auth_method=AuthMethod.LOGIN,
    verify_certificate=False,
    max_connections=7,
    retry_plan="5m,1h",
    limits=Limits(
        Limit(1000),
        {
            RecipientClass.GMAIL: Limit(None, 2),
            RecipientClass.YAHOO: Limit(at_once=3),
        },
    ),
)


async def test_a_provider_comes_back_with_its_password(store: Store) -> None:
    """Every setting survives the disk; the password shows in no repr."""
    added = await store.write(add_provider, NEW)
    assert added is not None
    for name in NewProvider.__slots__:
        assert getattr(added, name) == getattr(NEW, name)
    assert await store.read(get_provider, added.id) == added
    assert await store.read(list_providers) == [added]
    assert "päss" not in repr(added) + repr(NEW)


async def test_the_password_is_not_in_the_row(store: Store) -> None:
    """ATTACKS 27: who reads the table reads no password."""
    await store.write(add_provider, NEW)
    rows = await store.read(
        lambda view: view.db.execute("SELECT * FROM provider").fetchall()
    )
    assert "päss".encode() not in repr(rows).encode()
    assert "päss".encode() not in rows[0][8]


async def test_a_name_is_given_once(store: Store) -> None:
    """A taken name is an answer, when adding and when renaming."""
    first = await store.write(add_provider, NEW)
    second = await store.write(add_provider, replace(NEW, name="other"))
    assert first is not None
    assert second is not None
    assert await store.write(add_provider, NEW) is None
    assert await store.write(update_provider, second.id, NEW) is None
    same_name = replace(NEW, port=25)
    updated = await store.write(update_provider, first.id, same_name)
    assert updated is not None
    assert (updated.id, updated.uuid, updated.port) == (first.id, first.uuid, 25)
    assert updated.password == NEW.password
    assert await store.write(update_provider, ProviderId(99), same_name) is None


async def test_a_provider_in_a_pool_stays(store: Store, seeded: Seeded) -> None:
    """The refusal names the pools; a provider that none uses goes."""
    kept = await store.write(remove_provider, seeded.provider.id)
    assert not kept.removed
    assert kept.pools == ("main",)
    spare = await store.write(add_provider, NEW)
    assert spare is not None
    assert (await store.write(remove_provider, spare.id)).removed
    assert not (await store.write(remove_provider, spare.id)).found


async def test_of_an_event_key_there_is_a_hash(store: Store) -> None:
    """ATTACKS 27: it finds its provider, and a new one ends it."""
    first = await store.write(add_provider, NEW, event_key="first-key")
    assert first is not None
    assert first.event_key_hint == "-key"
    rows = await store.read(
        lambda view: view.db.execute("SELECT * FROM provider").fetchall()
    )
    assert "first-key" not in repr(rows)
    assert await store.read(find_by_event_key, "first-key") == first.id
    assert await store.write(set_event_key, first.id, "second-key")
    assert await store.read(find_by_event_key, "first-key") is None
    assert await store.read(find_by_event_key, "second-key") == first.id
    assert not await store.write(set_event_key, ProviderId(99), "third-key")
    updated = await store.write(update_provider, first.id, replace(NEW, port=25))
    assert updated is not None
    assert await store.read(find_by_event_key, "second-key") == first.id
    assert updated.created_ns == first.created_ns > 0


async def test_a_passed_test_makes_a_trial_due(store: Store) -> None:
    """Of what is down; what is up stays so, and the change is told to memory."""
    up = await store.write(add_provider, NEW)
    down = await store.write(add_provider, replace(NEW, name="down"))
    assert up is not None
    assert down is not None
    health = Health(3, NOW_NS, NOW_NS + 900, "refused", NOW_NS)
    await store.write(save_health, [(down.id, health)])
    before = await store.pulse()
    for one in (up, down):
        await store.write(note_passed_test, one.id, NOW_NS + 5)
    assert await store.read(load_health) == {
        down.id: replace(health, probe_ns=NOW_NS + 5)
    }
    assert (await store.pulse()).configuration > before.configuration
    tested = await store.read(get_provider, down.id)
    assert tested is not None
    assert tested.tested_ns == NOW_NS + 5
    assert tested != down


async def test_mail_that_waited_for_it_is_due_at_once(
    store: Store, seeded: Seeded
) -> None:
    """What waits for its own next try, or for another one, goes on waiting."""
    requests = [seeded.message(f"{name}@other.example") for name in "abc"]
    await store.write(accept, [Request((one,)) for one in requests])
    later = NOW_NS + 900

    def postpone(tx: Tx) -> None:
        tx.db.execute(
            "UPDATE delivery SET provider = ?, due_ns = ?, waits_for = 'it is down'",
            (seeded.provider.id, later),
        )
        tx.db.execute("UPDATE delivery SET waits_for = '' WHERE id = 2")
        tx.db.execute("UPDATE delivery SET provider = 99 WHERE id = 3")

    await store.write(postpone)
    await store.write(note_passed_test, seeded.provider.id, NOW_NS)
    due = await store.read(
        lambda view: view.db.execute(
            "SELECT due_ns FROM delivery ORDER BY id"
        ).fetchall()
    )
    assert due == [(NOW_NS,), (later,), (later,)]
    plan = await store.read(
        lambda view: view.db.execute(
            "EXPLAIN QUERY PLAN SELECT id FROM delivery WHERE due_ns IS NOT NULL AND"
            " state = 0 AND provider = 1 AND queue IN (SELECT 0 UNION ALL"
            " SELECT -id FROM pool WHERE overflow = 1) AND due_ns > 5"
        ).fetchall()
    )
    assert "(provider=? AND queue=? AND due_ns>?)" in repr(plan)

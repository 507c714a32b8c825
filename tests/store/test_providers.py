from dataclasses import replace

from appliance.core.ids import ProviderId
from appliance.core.provider import AuthMethod, Kind, Security
from appliance.store.database import Store
from appliance.store.providers import (
    NewProvider,
    add_provider,
    get_provider,
    list_providers,
    remove_provider,
    update_provider,
)
from tests.fakes.store import Seeded

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

import pytest

from appliance.core.ids import PoolId, ProviderId
from appliance.core.message import Request
from appliance.core.pool import Pool
from appliance.core.provider import Kind
from appliance.store.claim import claim
from appliance.store.database import Store
from appliance.store.messages import accept
from appliance.store.pools import (
    add_pool,
    ensure_sandbox,
    list_pools,
    remove_pool,
    set_default_pool,
)
from appliance.store.providers import list_providers
from tests.fakes.store import NOW_NS, Seeded


async def test_a_pool_comes_back_with_its_shares_in_order(
    store: Store, seeded: Seeded
) -> None:
    """What was added is what is listed."""
    added = await store.write(add_pool, "bulk", [(seeded.provider.id, 100)])
    assert isinstance(added, Pool)
    assert added.shares == ((seeded.provider.id, 100),)
    assert [one.name for one in await store.read(list_pools)] == ["main", "bulk"]
    assert (await store.read(list_pools))[1] == added


@pytest.mark.parametrize(
    ("name", "shares", "why"),
    [
        ("main", [(1, 100)], "already"),
        ("new", [], "at least one"),
        ("new", [(1, 99)], "add up to 99"),
        ("new", [(1, 50), (1, 50)], "one share"),
        ("new", [(77, 100)], "no such provider"),
    ],
)
async def test_what_is_wrong_with_a_pool_is_said(
    store: Store,
    seeded: Seeded,
    name: str,
    shares: list[tuple[ProviderId, int]],
    why: str,
) -> None:
    """A sentence for the operator, and no pool."""
    answer = await store.write(add_pool, name, shares)
    assert isinstance(answer, str)
    assert why in answer
    assert [one.id for one in await store.read(list_pools)] == [seeded.pool.id]


async def test_there_is_one_default_pool(store: Store, seeded: Seeded) -> None:
    """Making one the default takes it from the other."""
    bulk = await store.write(add_pool, "bulk", [(seeded.provider.id, 100)])
    assert isinstance(bulk, Pool)
    assert await store.write(set_default_pool, bulk.id)
    assert [one.is_default for one in await store.read(list_pools)] == [False, True]
    assert not await store.write(set_default_pool, PoolId(99))
    assert [one.is_default for one in await store.read(list_pools)] == [False, True]


async def test_the_sandbox_is_made_once_and_default_when_first(store: Store) -> None:
    """A fresh data folder sends nothing out and still takes mail."""
    await store.write(ensure_sandbox)
    await store.write(ensure_sandbox)
    (pool,) = await store.read(list_pools)
    (provider,) = await store.read(list_providers)
    assert (pool.name, pool.is_default) == ("sandbox", True)
    assert (provider.name, provider.kind) == ("capture", Kind.CAPTURE)
    assert pool.shares == ((provider.id, 100),)


async def test_the_sandbox_does_not_push_a_default_aside(
    store: Store, seeded: Seeded
) -> None:
    """Mail that should leave goes on leaving."""
    await store.write(ensure_sandbox)
    defaults = [one.id for one in await store.read(list_pools) if one.is_default]
    assert defaults == [seeded.pool.id]


async def test_a_pool_with_mail_in_it_stays(store: Store, seeded: Seeded) -> None:
    """Queued or in flight, the refusal says how many there are."""
    bulk = await store.write(add_pool, "bulk", [(seeded.provider.id, 100)])
    assert isinstance(bulk, Pool)
    await store.write_each(
        accept, Request((seeded.message("a@x.example", "b@x.example"),))
    )
    await store.write(set_default_pool, bulk.id)
    await store.write(claim, NOW_NS, 1, 1_000_000)
    refused = await store.write(remove_pool, seeded.pool.id)
    assert not refused.removed
    assert refused.waiting == 2
    default = await store.write(remove_pool, bulk.id)
    assert default.is_default
    assert not default.removed
    assert len(await store.read(list_pools)) == 2


async def test_an_empty_pool_goes(store: Store, seeded: Seeded) -> None:
    """Its shares go with it, so its provider is free."""
    bulk = await store.write(add_pool, "bulk", [(seeded.provider.id, 100)])
    assert isinstance(bulk, Pool)
    assert (await store.write(remove_pool, bulk.id)).removed
    assert not (await store.write(remove_pool, bulk.id)).found
    assert await store.read(list_pools) == [
        one for one in await store.read(list_pools) if one.id == seeded.pool.id
    ]

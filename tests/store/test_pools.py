from dataclasses import replace

import pytest

from appliance.core.ids import PoolId, ProviderId
from appliance.core.message import Request
from appliance.core.pool import NewPool, Pool, Route, Routing, by_shares
from appliance.core.provider import Kind
from appliance.store.choosing import load_choices
from appliance.store.claim import claim
from appliance.store.database import Store
from appliance.store.messages import accept
from appliance.store.pools import (
    SANDBOX_SENDS_NOTHING,
    add_pool,
    ensure_sandbox,
    list_pools,
    remove_pool,
    set_default_pool,
    update_pool,
)
from appliance.store.providers import NewProvider, add_provider, list_providers
from tests.fakes.store import NOW_NS, Seeded

PROVIDER = ProviderId(1)  # the seeded one
ONE = ((PROVIDER, 1),)


async def test_a_pool_comes_back_with_its_shares_in_order(
    store: Store, seeded: Seeded
) -> None:
    """What was added is what is listed."""
    added = await store.write(add_pool, by_shares("bulk", [(seeded.provider.id, 100)]))
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
        ("new", [(1, 50), (1, 50)], "once"),
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
    answer = await store.write(add_pool, by_shares(name, shares))
    assert isinstance(answer, str)
    assert why in answer
    assert [one.id for one in await store.read(list_pools)] == [seeded.pool.id]


async def test_there_is_one_default_pool(store: Store, seeded: Seeded) -> None:
    """Making one the default takes it from the other."""
    bulk = await store.write(add_pool, by_shares("bulk", [(seeded.provider.id, 100)]))
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
    bulk = await store.write(add_pool, by_shares("bulk", [(seeded.provider.id, 100)]))
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
    bulk = await store.write(add_pool, by_shares("bulk", [(seeded.provider.id, 100)]))
    assert isinstance(bulk, Pool)
    assert (await store.write(remove_pool, bulk.id)).removed
    assert not (await store.write(remove_pool, bulk.id)).found
    assert await store.read(list_pools) == [
        one for one in await store.read(list_pools) if one.id == seeded.pool.id
    ]


async def test_what_members_are_owed_survives_a_change(
    store: Store, seeded: Seeded
) -> None:
    """A change in the middle of a round does not begin it anew for who stays."""
    other = await store.write(add_provider, NewProvider("b", host="b"))
    assert other is not None
    ids = (seeded.provider.id, other.id)
    pool = await store.write(add_pool, by_shares("two", [(ids[0], 50), (ids[1], 50)]))
    assert isinstance(pool, Pool)
    message = replace(seeded, pool=pool).message("a@x.example")
    await store.write_each(accept, Request((message,)))
    await store.write(claim, NOW_NS, 1, 1_000_000)
    new = by_shares("renamed", [(ids[1], 50), (ids[0], 50)])
    changed = await store.write(update_pool, pool.id, new)
    assert isinstance(changed, Pool)
    assert (changed.id, changed.uuid, changed.name) == (pool.id, pool.uuid, "renamed")
    choice = (await store.read(load_choices, [pool.id]))[pool.id]
    owed = {one.provider: one.credit for one in choice.routes[""]}
    assert owed == {ids[0]: -50, ids[1]: 50}


@pytest.mark.parametrize("routing", [Routing.RECIPIENT_CLASS, Routing.SENDER_DOMAIN])
async def test_routes_come_back_in_order(
    store: Store, seeded: Seeded, routing: Routing
) -> None:
    """With their members, and those that no route names are members still."""
    other = await store.write(add_provider, NewProvider("b", host="b"))
    assert other is not None
    members = (seeded.provider.id, other.id)
    routes = (Route("others", ((other.id, 1),)), Route("gmail", ((other.id, 1),)))
    added = await store.write(add_pool, NewPool("p", routing, members, routes))
    assert isinstance(added, Pool)
    assert (added.members, added.routes) == (members, routes)
    assert added.created_ns > 0


async def test_a_pool_that_another_overflows_to_stays(
    store: Store, seeded: Seeded
) -> None:
    """The refusal names the one that would lose its way out."""
    spare = await store.write(add_pool, by_shares("s", [(seeded.provider.id, 100)]))
    assert isinstance(spare, Pool)
    flows = replace(
        by_shares("f", [(seeded.provider.id, 100)]),
        overflow=True,
        overflow_pool=spare.id,
    )
    feeder = await store.write(add_pool, flows)
    assert isinstance(feeder, Pool)
    removal = await store.write(remove_pool, spare.id)
    assert (removal.removed, removal.feeders) == (False, ("f",))
    assert (await store.write(remove_pool, feeder.id)).removed
    assert (await store.write(remove_pool, spare.id)).removed


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (NewPool("p", Routing.ROUND_ROBIN, ()), "at least one"),
        (NewPool("p", Routing.SHARES, (PROVIDER,)), "has one route"),
        (
            NewPool("p", Routing.SENDER_DOMAIN, (PROVIDER,), (Route("", ()),)),
            "needs a key",
        ),
        (
            NewPool("p", Routing.SENDER_DOMAIN, (PROVIDER,), (Route("a.example", ()),)),
            "a.example needs at least one provider",
        ),
        (
            NewPool("p", Routing.RECIPIENT_CLASS, (PROVIDER,), (Route("gmial", ONE),)),
            "no recipient class gmial",
        ),
        (
            NewPool(
                "p",
                Routing.RECIPIENT_CLASS,
                (PROVIDER,),
                (Route("gmail", ONE), Route("gmail", ONE)),
            ),
            "a key may have one route",
        ),
        (
            NewPool(
                "p",
                Routing.RECIPIENT_CLASS,
                (PROVIDER,),
                (Route("gmail", ((ProviderId(9), 1),)),),
            ),
            "members of its pool only",
        ),
        (
            NewPool("p", Routing.ROUND_ROBIN, (PROVIDER,), overflow_pool=PoolId(2)),
            "to overflow to",
        ),
        (
            NewPool("p", Routing.ROUND_ROBIN, (PROVIDER,), (), True, PoolId(99)),
            "no such pool to overflow to",
        ),
    ],
)
async def test_what_is_wrong_with_routes_is_said(
    store: Store, seeded: Seeded, new: NewPool, why: str
) -> None:
    """A sentence for the operator, and nothing is stored or changed."""
    assert seeded.provider.id == PROVIDER
    for answer in (
        await store.write(add_pool, new),
        await store.write(update_pool, seeded.pool.id, new),
    ):
        assert isinstance(answer, str)
        assert why in answer
    (pool,) = await store.read(list_pools)
    assert pool == replace(seeded.pool, is_default=True)


async def test_a_pool_that_is_not_there_is_not_changed(
    store: Store, seeded: Seeded
) -> None:
    """And says so."""
    new = by_shares("x", [(seeded.provider.id, 100)])
    assert await store.write(update_pool, PoolId(77), new) == "there is no such pool"


async def test_nothing_that_the_sandbox_takes_is_ever_sent(
    store: Store, seeded: Seeded
) -> None:
    """Mail under test keys goes there; neither a share nor overflow leads out."""
    await store.write(ensure_sandbox)
    sandbox = (await store.read(list_pools))[-1]
    keeping = by_shares("sandbox", sandbox.shares)
    real = by_shares("sandbox", [(seeded.provider.id, 100)])
    spill = replace(keeping, overflow=True, overflow_pool=seeded.pool.id)
    for wanted in (real, spill):
        told = await store.write(update_pool, sandbox.id, wanted)
        assert told == SANDBOX_SENDS_NOTHING
    other = await store.write(update_pool, sandbox.id, replace(keeping, name="kept"))
    assert isinstance(other, Pool)
    assert await store.write(add_pool, real) == SANDBOX_SENDS_NOTHING
    assert isinstance(await store.write(add_pool, keeping), Pool)

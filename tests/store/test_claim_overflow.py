"""Draws by all four routings, and mail that leaves a provider that is down."""

from collections import Counter
from pathlib import Path

import pytest

from appliance.core.breaker import Restraint
from appliance.core.ids import ProviderId
from appliance.core.pool import NewPool, Pool, Route, Routing, by_shares
from appliance.core.queue import EVERYTHING, Act, Order
from appliance.core.recipient_class import RecipientClass
from appliance.core.throttle import Limit, Limits
from appliance.store.deliveries import release
from appliance.store.limit_wait import leave_limits
from appliance.store.pools import update_pool
from appliance.store.providers import remove_provider
from appliance.store.queue import find_waiting
from appliance.store.queue_moves import change_waiting
from tests.fakes.queue import Queue, open_again, open_queue, share_of

DOWN = Restraint(0, "provider a is down: 421 busy")


async def two(queue: Queue, limits: Limits | None = None) -> tuple[Pool, Pool]:
    """Pools that overflow: of a and b by shares, and of c as the spare one."""
    a = await queue.provider("a", limits or Limits())
    b, c = await queue.provider("b"), await queue.provider("c")
    spare = await queue.pool(by_shares("spare", [(c.id, 100)]))
    shares = by_shares("both", [(a.id, 70), (b.id, 30)])
    new = NewPool(
        shares.name, shares.routing, shares.members, shares.routes, True, spare.id
    )
    return await queue.pool(new), spare


def named(pool: Pool, spare: Pool) -> dict[ProviderId, str]:
    """The providers of ``two``."""
    return dict(zip((*pool.members, *spare.members), "abc", strict=True))


async def test_shares_stay_true_whatever_the_size_of_claims(tmp_path: Path) -> None:
    """And over a restart in the middle; the reason is kept with each."""
    async with open_queue(tmp_path) as queue:
        a, b = await queue.provider("a"), await queue.provider("b")
        pool = await queue.pool(by_shares("both", [(a.id, 67), (b.id, 33)]))
        await queue.put(1_000, pool=pool)
        copies = await queue.claim(301)
    async with open_again(tmp_path, queue) as again:
        copies += await again.claim_all(13)
        assert share_of(copies, {a.id: "a", b.id: "b"}) == {"a": 670, "b": 330}
        assert Counter(await again.column("draw")) == {
            "share 67% of pool both": 670,
            "share 33% of pool both": 330,
        }


async def test_round_robin(tmp_path: Path) -> None:
    """Each member in turn."""
    async with open_queue(tmp_path) as queue:
        members = tuple([(await queue.provider(name)).id for name in "abc"])
        pool = await queue.pool(NewPool("all", Routing.ROUND_ROBIN, members))
        await queue.put(30, pool=pool)
        copies = await queue.claim_all(7)
        assert set(Counter(one.provider for one in copies).values()) == {10}
        assert set(await queue.column("draw")) == {"round robin in pool all"}


async def test_by_the_recipient_s_class(tmp_path: Path) -> None:
    """A class that has a route takes it; others take turns among all."""
    async with open_queue(tmp_path) as queue:
        a, b = (await queue.provider("a")).id, (await queue.provider("b")).id
        routes = (Route("gmail", ((a, 1),)),)
        new = NewPool("all", Routing.RECIPIENT_CLASS, (a, b), routes)
        pool = await queue.pool(new)
        await queue.put(5, to="x@googlemail.com", pool=pool)
        await queue.put(4, to="x@yahoo.com", pool=pool)
        copies = await queue.claim_all()
        got = Counter((one.recipient.domain, one.provider) for one in copies)
        assert got == {
            ("googlemail.com", a): 5,
            ("yahoo.com", a): 2,
            ("yahoo.com", b): 2,
        }


async def test_by_the_sender_s_domain(tmp_path: Path) -> None:
    """The domain of From decides."""
    async with open_queue(tmp_path) as queue:
        a, b = (await queue.provider("a")).id, (await queue.provider("b")).id
        routes = (Route("sender.example", ((b, 1),)), Route("others", ((a, 1),)))
        new = NewPool("all", Routing.SENDER_DOMAIN, (a, b), routes)
        await queue.put(3, pool=await queue.pool(new))
        assert {one.provider for one in await queue.claim_all()} == {b}
        assert set(await queue.column("draw")) == {"sender.example in pool all"}


async def test_new_mail_passes_over_one_that_is_down(tmp_path: Path) -> None:
    """With the reason why."""
    async with open_queue(tmp_path) as queue:
        pool, spare = await two(queue)
        queue.down = {pool.members[0]: DOWN}
        await queue.put(10, pool=pool)
        copies = await queue.claim_all()
        assert share_of(copies, named(pool, spare)) == {"b": 10}
        assert Counter(await queue.column("draw")) == {
            "overflow from a: provider a is down: 421 busy; share 30% of pool both": 7,
            "share 30% of pool both": 3,
        } or set(await queue.column("draw")) == {
            "overflow from a: provider a is down: 421 busy; share 30% of pool both"
        }


async def test_mail_that_waits_leaves_one_that_is_down(tmp_path: Path) -> None:
    """Its retries stay with the first provider while that is up, and only then."""
    async with open_queue(tmp_path) as queue:
        pool, spare = await two(queue)
        await queue.put(10, pool=pool)
        first = await queue.claim_all()
        before = {one.id: one.provider for one in first}
        await give_back(queue)
        again = await queue.claim_all()
        assert {one.id: one.provider for one in again} == before
        await give_back(queue)
        queue.down = {pool.members[0]: DOWN}
        moved = await queue.claim_all()
        assert share_of(moved, named(pool, spare)) == {"b": 10}


async def test_it_goes_to_the_spare_pool_if_all_are_down(tmp_path: Path) -> None:
    """And if nobody can take it, it waits where it is."""
    async with open_queue(tmp_path) as queue:
        pool, spare = await two(queue)
        await queue.put(4, pool=pool)
        await queue.claim_all()
        await give_back(queue)
        queue.down = dict.fromkeys((*pool.members, *spare.members), DOWN)
        assert await queue.claim_all() == []
        assert not queue.rounds.more
        queue.down = dict.fromkeys(pool.members, DOWN)
        assert share_of(await queue.claim_all(), named(pool, spare)) == {"c": 4}
        told = (await queue.column("draw"))[0]
        assert isinstance(told, str)
        assert told.endswith("; share 100% of pool spare")


async def give_back(queue: Queue) -> None:
    """All that is in flight is due again."""
    ids = [one.id for one in queue.flying]
    await queue.store.write(release, ids, queue.now_ns)
    queue.flying.clear()


async def test_without_overflow_it_waits(tmp_path: Path) -> None:
    """For its own provider, however long that is down."""
    async with open_queue(tmp_path) as queue:
        a, b = await queue.provider("a"), await queue.provider("b")
        pool = await queue.pool(by_shares("both", [(a.id, 50), (b.id, 50)]))
        queue.down = {a.id: DOWN}
        await queue.put(10, pool=pool)
        assert len(await queue.claim_all()) == 5
        assert Counter(await queue.column("waits_for"))[DOWN.waits_for] == 5
        queue.down = {}
        assert {one.provider for one in await queue.claim_all()} == {a.id}


async def test_one_that_is_on_trial_gets_its_one_mail(tmp_path: Path) -> None:
    """Else it would never be found to be up again."""
    async with open_queue(tmp_path) as queue:
        pool, spare = await two(queue)
        queue.down = {pool.members[0]: Restraint(1, "provider a is on trial")}
        await queue.put(10, pool=pool)
        copies = await queue.claim_all()
        assert share_of(copies, named(pool, spare)) == {"a": 1, "b": 9}


async def test_switched_on_in_an_outage_it_frees_what_waits(tmp_path: Path) -> None:
    """That is when operators think of it."""
    async with open_queue(tmp_path) as queue:
        a, b = await queue.provider("a"), await queue.provider("b")
        shares = by_shares("both", [(a.id, 50), (b.id, 50)])
        pool = await queue.pool(shares)
        queue.down = {a.id: DOWN}
        await queue.put(10, pool=pool)
        assert len(await queue.claim_all()) == 5
        new = NewPool("both", shares.routing, shares.members, shares.routes, True)
        assert isinstance(await queue.store.write(update_pool, pool.id, new), Pool)
        assert {one.provider for one in await queue.claim_all()} == {b.id}


@pytest.mark.parametrize("where", ["in flight", "held"])
async def test_switched_on_it_frees_what_is_queued_again_later(
    tmp_path: Path, where: str
) -> None:
    """What hung on the wire just then, and what an operator had held."""
    async with open_queue(tmp_path) as queue:
        a, b = await queue.provider("a"), await queue.provider("b")
        shares = by_shares("both", [(a.id, 100)])
        pool = await queue.pool(shares)
        await queue.put(4, pool=pool)
        assert len(await queue.claim()) == 4
        if where == "held":
            await give_back(queue)
            await operate(queue, Act.HOLD)
        new = NewPool("both", shares.routing, (a.id, b.id), shares.routes, True)
        assert isinstance(await queue.store.write(update_pool, pool.id, new), Pool)
        if where == "held":
            await operate(queue, Act.RELEASE)
        else:
            await give_back(queue)
        queue.down = {a.id: DOWN}
        assert share_of(await queue.claim_all(), {a.id: "a", b.id: "b"}) == {"b": 4}


async def operate(queue: Queue, act: Act) -> None:
    """An operator does so to all that waits."""
    order = Order(act, EVERYTHING)
    found = await queue.store.read(find_waiting, EVERYTHING, 100)
    await queue.store.write(change_waiting, order, found, queue.now_ns)


@pytest.mark.parametrize("overflow", [False, True])
async def test_one_at_its_limit_is_passed_over_only_with_overflow(
    tmp_path: Path,
    overflow: bool,  # noqa: FBT001 - a case
) -> None:
    """Without, shares are true and the mail waits."""
    async with open_queue(tmp_path) as queue:
        limits = Limits(Limit(per_hour=2))
        a, b = await queue.provider("a", limits), await queue.provider("b")
        shares = by_shares("both", [(a.id, 50), (b.id, 50)])
        new = NewPool("both", shares.routing, shares.members, shares.routes, overflow)
        await queue.put(20, pool=await queue.pool(new))
        got = share_of(await queue.claim_all(), {a.id: "a", b.id: "b"})
        assert got == ({"a": 2, "b": 18} if overflow else {"a": 2, "b": 10})


async def two_at_a_limit(queue: Queue) -> tuple[ProviderId, ProviderId]:
    """Mail at a limit of the first, which the other could not take, being down."""
    limits = Limits(classes={RecipientClass.GMAIL: Limit(per_hour=1)})
    a, b = await queue.provider("a", limits), await queue.provider("b")
    shares = by_shares("both", [(a.id, 100)])
    new = NewPool("both", shares.routing, (a.id, b.id), shares.routes, True)
    pool = await queue.pool(new)
    queue.down = {b.id: DOWN}
    await queue.put(3, to="x@gmail.com", pool=pool)
    assert len(await queue.claim_all()) == 1
    return a.id, b.id


async def test_what_waits_for_a_limit_may_leave_one_that_is_down(
    tmp_path: Path,
) -> None:
    """Once it is told to wait for the limit no more."""
    async with open_queue(tmp_path) as queue:
        a, b = await two_at_a_limit(queue)
        queue.down = {a: DOWN}
        assert await queue.claim_all() == []
        assert await queue.store.write(leave_limits, queue.down) == 2
        assert {one.provider for one in await queue.claim_all()} == {b}


async def test_what_is_released_waits_for_no_limit_of_one_that_is_down(
    tmp_path: Path,
) -> None:
    """It was held where it waited for the limit, and stands as all others again."""
    async with open_queue(tmp_path) as queue:
        a, b = await two_at_a_limit(queue)
        await operate(queue, Act.HOLD)
        await operate(queue, Act.RELEASE)
        queue.down = {a: DOWN}
        assert share_of(await queue.claim_all(), {a: "a", b: "b"}) == {"b": 2}


async def test_mail_of_a_provider_that_was_removed_is_drawn_again(
    tmp_path: Path,
) -> None:
    """Its pool has others; nothing waits for what never comes back."""
    async with open_queue(tmp_path) as queue:
        a, b = await queue.provider("a"), await queue.provider("b")
        pool = await queue.pool(by_shares("p", [(a.id, 100)]))
        await queue.put(5, pool=pool)
        await queue.claim_all()
        await give_back(queue)
        await queue.store.write(update_pool, pool.id, by_shares("p", [(b.id, 100)]))
        assert (await queue.store.write(remove_provider, a.id)).removed
        assert {one.provider for one in await queue.claim_all()} == {b.id}

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.core.address import Address
from appliance.core.breaker import Restraint
from appliance.core.delivery import Copy, State
from appliance.core.ids import PoolId, ProviderId
from appliance.core.in_flight import InFlight
from appliance.core.message import NewMessage, Request
from appliance.core.pool import Pool, by_shares
from appliance.core.submission import Content
from appliance.store.claim import NO_PROVIDER_PAUSE_NS, claim
from appliance.store.database import Store
from appliance.store.deliveries import counts_by_state, next_due_ns, release
from appliance.store.due import FRONT
from appliance.store.messages import accept, list_recent
from appliance.store.pools import add_pool
from appliance.store.providers import NewProvider, add_provider
from appliance.store.transaction import Tx, View
from tests.fakes.store import NOW_NS, SENDER, Seeded, open_temp_store, seed

PLENTY = 1_000_000


def plan(view: View) -> str:
    """How SQLite goes about a claim."""
    rows = view.db.execute("EXPLAIN QUERY PLAN " + FRONT, (1, 0, NOW_NS, 50))
    return "; ".join(row[3] for row in rows)


async def test_a_claim_reads_the_front_of_one_index(store: Store) -> None:
    """Its cost does not know how many wait: no scan, no sorting."""
    steps = await store.read(plan)
    assert steps == (
        "CO-ROUTINE (subquery-1); "
        "SEARCH d USING INDEX delivery_due"
        " (provider=? AND queue=? AND due_ns>? AND due_ns<?); "
        "SEARCH m USING INTEGER PRIMARY KEY (rowid=?); "
        "SCAN (subquery-1)"
    )


async def test_a_claimed_copy_has_what_makes_its_bytes(
    store: Store, seeded: Seeded
) -> None:
    """Envelope, header recipients and the pinned provider come with the claim."""
    message = seeded.message("a@x.example", "b@x.example")
    await store.write_each(accept, Request((message,)))
    first, second = await store.write(claim, NOW_NS, 10, PLENTY)
    assert first.uuid == first.message_uuid == message.deliveries[0].uuid
    assert second.uuid == message.deliveries[1].uuid
    assert second.message_uuid == first.uuid
    assert second.recipient == Address("b", "x.example")
    assert first.to == second.to == (message.submission.to[0].mailbox,)
    assert first.cc == (message.submission.cc[0].mailbox,)
    assert first.provider == seeded.provider.id
    assert (first.domain, first.pool) == (seeded.domain.id, seeded.pool.id)
    assert (first.sender, first.attempts) == ("news@sender.example", 0)
    assert first.submitted_ns == NOW_NS
    assert first.tracking == message.submission.tracking
    assert first.dimensions == message.submission.dimensions


async def test_what_is_claimed_is_not_claimed_again(
    store: Store, seeded: Seeded
) -> None:
    """A delivery is one relay's at a time."""
    await store.write_each(accept, Request((seeded.message(),)))
    assert len(await store.write(claim, NOW_NS, 10, PLENTY)) == 1
    assert await store.write(claim, NOW_NS, 10, PLENTY) == []
    assert (await store.read(counts_by_state))[State.IN_FLIGHT] == 1


async def test_the_longest_due_come_first_and_the_future_waits(
    store: Store, seeded: Seeded
) -> None:
    """Due order, up to now and up to the limit."""
    for after in (3, 1, 2, 9):
        message = seeded.message(f"u{after}@x.example", accepted_ns=NOW_NS + after)
        await store.write_each(accept, Request((message,)))
    claimed = await store.write(claim, NOW_NS + 5, 2, PLENTY)
    assert [one.recipient.local for one in claimed] == ["u1", "u2"]
    claimed = await store.write(claim, NOW_NS + 5, 2, PLENTY)
    assert [one.recipient.local for one in claimed] == ["u3"]
    assert await store.read(next_due_ns) == NOW_NS + 9


async def test_a_claim_is_bounded_in_bytes_but_takes_one(
    store: Store, seeded: Seeded
) -> None:
    """Memory is bounded, and a mail above the bound is not stuck for ever."""
    content = Content(SENDER, "", text="x" * 1000)
    messages = tuple(seeded.message(content=content) for _ in range(5))
    await store.write_each(accept, Request(messages))
    assert len(await store.write(claim, NOW_NS, 10, 2500)) == 2
    assert len(await store.write(claim, NOW_NS, 10, 10)) == 1


async def test_shares_are_true_and_survive_a_restart(tmp_path: Path) -> None:
    """Of 1,000 deliveries a pool of 70/20/10 gives 700, 200 and 100."""
    drawn: Counter[ProviderId] = Counter()
    async with open_temp_store(tmp_path) as store:
        seeded = await seed(store)
        providers, pool = await store.write(three_providers)
        for _ in range(10):
            messages = [seeded.message() for _ in range(100)]
            await store.write(into_pool, pool, messages)
        for _ in range(13):
            claimed = await store.write(claim, NOW_NS, 37, PLENTY)
            drawn.update(one.provider for one in claimed)
    async with open_temp_store(tmp_path) as store:
        while claimed := await store.write(claim, NOW_NS, 37, PLENTY):
            drawn.update(one.provider for one in claimed)
    assert [drawn[one] for one in providers] == [700, 200, 100]


def three_providers(tx: Tx) -> tuple[list[ProviderId], PoolId]:
    """A pool of 70/20/10."""
    ids = []
    for name in "abc":
        provider = add_provider(tx, NewProvider(name, host=name))
        assert provider is not None
        ids.append(provider.id)
    pool = add_pool(tx, by_shares("three", list(zip(ids, (70, 20, 10), strict=True))))
    assert isinstance(pool, Pool)
    return ids, pool.id


def into_pool(tx: Tx, pool: PoolId, messages: Sequence[NewMessage]) -> None:
    """Accept ``messages`` into another pool than the seeded one."""
    accept(tx, [Request(messages)])
    tx.db.execute("UPDATE delivery SET pool = ? WHERE provider IS NULL", (pool,))


async def test_a_pinned_provider_is_not_drawn_again(
    store: Store, seeded: Seeded
) -> None:
    """A retry goes where the first try went."""
    _, pool = await store.write(three_providers)
    await store.write(into_pool, pool, [seeded.message()])
    (first,) = await store.write(claim, NOW_NS, 1, PLENTY)
    for _ in range(5):
        await store.write(release, [first.id], NOW_NS)
        (again,) = await store.write(claim, NOW_NS, 1, PLENTY)
        assert again.provider == first.provider


async def test_mail_in_a_pool_without_providers_waits_and_blocks_nobody(
    store: Store, seeded: Seeded
) -> None:
    """It stays queued, is due again in a minute, and no try is counted."""
    await store.write(into_pool, PoolId(99), [seeded.message("stuck@x.example")])
    await store.write_each(accept, Request((seeded.message("fine@x.example"),)))
    (claimed,) = await store.write(claim, NOW_NS, 10, PLENTY)
    assert claimed.recipient.local == "fine"
    assert await store.read(next_due_ns) == NOW_NS + NO_PROVIDER_PAUSE_NS
    stuck = (await store.read(list_recent, 10))[1]
    assert (stuck.state, stuck.attempts) == (State.QUEUED, 0)


@pytest.mark.parametrize("limit", [0, 1])
async def test_nothing_due_is_nothing_claimed(store: Store, limit: int) -> None:
    """An empty queue and a full house both answer with an empty list."""
    assert await store.write(claim, NOW_NS, limit, PLENTY) == []
    assert await store.read(next_due_ns) is None


async def test_no_provider_gets_more_than_its_part(
    store: Store, seeded: Seeded
) -> None:
    """One that hangs holds up its own mail only, however much of it waits."""
    other = await store.write(add_provider, NewProvider("other", host="b.test"))
    assert other is not None
    pool = await store.write(add_pool, by_shares("other", [(other.id, 100)]))
    assert isinstance(pool, Pool)
    many = tuple(seeded.message() for _ in range(20))
    await store.write_each(accept, Request(many))
    one = replace(seeded, pool=pool).message(accepted_ns=NOW_NS + 1)
    await store.write_each(accept, Request((one,)))
    first = await store.write(claim, NOW_NS, 9, PLENTY, most_each=5)
    assert [copy.provider for copy in first] == [seeded.provider.id] * 5
    for _ in range(3):
        busy = under_way(first)
        again = await store.write(
            claim, NOW_NS + 1, 9, PLENTY, most_each=5, in_flight=busy
        )
        if again:
            break
    assert [copy.provider for copy in again] == [other.id]
    await store.write(release, [copy.id for copy in first], NOW_NS + 2)
    rest = await store.write(claim, NOW_NS + 2, 99, PLENTY)
    assert len(rest) == 20


async def test_the_next_due_is_found_for_drawn_and_undrawn(
    store: Store, seeded: Seeded
) -> None:
    """Whichever is first."""
    assert await store.read(next_due_ns) is None
    await store.write_each(accept, Request((seeded.message(accepted_ns=NOW_NS + 5),)))
    assert await store.read(next_due_ns) == NOW_NS + 5
    (copy,) = await store.write(claim, NOW_NS + 5, 9, PLENTY)
    await store.write(release, [copy.id], NOW_NS + 3)
    assert await store.read(next_due_ns) == NOW_NS + 3


async def test_what_waits_for_an_upstream_that_is_down_is_not_claimed(
    store: Store, seeded: Seeded
) -> None:
    """It is drawn, keeps its due time, and says what it waits for; no try is made."""
    provider = seeded.provider.id
    for _ in range(3):
        await store.write_each(accept, Request((seeded.message(),)))
    down = {provider: Restraint(0, "provider upstream is down")}
    assert await store.write(claim, NOW_NS, 10, PLENTY, down=down) == []
    assert await store.read(next_due_ns) == NOW_NS
    assert await store.read(next_due_ns, NOW_NS) is None
    assert await store.read(_waits) == ["provider upstream is down"] * 3
    assert len(await store.write(claim, NOW_NS, 10, PLENTY)) == 3
    assert await store.read(_waits) == [""] * 3


async def test_one_mail_is_a_trial(store: Store, seeded: Seeded) -> None:
    """While it is under way no other is let through."""
    provider = seeded.provider.id
    for _ in range(3):
        await store.write_each(accept, Request((seeded.message(),)))
    trial = {provider: Restraint(1, "")}
    (copy,) = await store.write(claim, NOW_NS, 10, PLENTY, down=trial)
    flying = under_way([copy])
    again = await store.write(claim, NOW_NS, 10, PLENTY, in_flight=flying, down=trial)
    assert again == []


def under_way(copies: Sequence[Copy]) -> InFlight:
    """These deliveries, as the relay counts them."""
    return InFlight(Counter((one.provider, one.sub_account) for one in copies))


def _waits(view: View) -> list[str]:
    rows = view.db.execute("SELECT waits_for FROM delivery ORDER BY id")
    return [text for (text,) in rows]

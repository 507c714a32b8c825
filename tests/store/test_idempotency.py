"""ATTACKS 11: the same key in parallel, with other content, and of another tenant."""

from dataclasses import replace
from uuid import UUID

from appliance.core.ids import PoolId, SubAccountId
from appliance.core.message import NewMessage, Request
from appliance.core.submission import Idempotency
from appliance.store.database import Store
from appliance.store.deliveries import counts_by_state
from appliance.store.events import last_number
from appliance.store.idempotency import Earlier, forget_keys
from appliance.store.messages import PoolGone, Stored, accept
from appliance.store.transaction import Tx
from tests.fakes.store import NOW_NS, Seeded

KEY = Idempotency(b"key", b"mark", since_ns=NOW_NS - 1000)


def named(
    message: NewMessage, idempotency: Idempotency = KEY, now_ns: int = NOW_NS
) -> Request:
    """A request of one message under a key."""
    return Request((replace(message, accepted_ns=now_ns),), idempotency)


def ids(message: NewMessage) -> tuple[UUID, ...]:
    """The ids that its answer told."""
    return tuple(one.uuid for one in message.deliveries)


async def test_a_request_that_comes_again_is_answered_as_before(
    store: Store, seeded: Seeded
) -> None:
    """Nothing is stored a second time; the ids are those of the first."""
    first, again = seeded.message("a@x.example", "b@x.example"), seeded.message()
    assert isinstance(await store.write_each(accept, named(first)), Stored)
    number = await store.read(last_number)
    answer = await store.write_each(accept, named(again, now_ns=NOW_NS + 5))
    assert answer == Earlier((ids(first),), NOW_NS, same=True)
    assert await store.read(last_number) == number


async def test_two_at_the_same_moment_are_one(store: Store, seeded: Seeded) -> None:
    """In one commit, where neither has been on disk before the other."""

    def both(tx: Tx) -> list[object]:
        return list(accept(tx, [named(first), named(second)]))

    first, second = seeded.message(), seeded.message()
    stored, earlier = await store.write(both)
    assert isinstance(stored, Stored)
    assert earlier == Earlier((ids(first),), NOW_NS, same=True)
    assert sum((await store.read(counts_by_state)).values()) == 1


async def test_other_content_under_the_key_is_told(
    store: Store, seeded: Seeded
) -> None:
    """It is not stored, and not taken for the first."""
    await store.write_each(accept, named(seeded.message()))
    other = named(seeded.message(), replace(KEY, fingerprint=b"other"))
    answer = await store.write_each(accept, other)
    assert isinstance(answer, Earlier)
    assert not answer.same


async def test_a_key_counts_for_its_time_only(store: Store, seeded: Seeded) -> None:
    """Behind its window it is free again, whether it was pruned or not."""
    await store.write_each(accept, named(seeded.message()))
    later = replace(KEY, since_ns=NOW_NS + 1)
    answer = await store.write_each(
        accept, named(seeded.message(), later, now_ns=NOW_NS + 1001)
    )
    assert isinstance(answer, Stored)
    again = await store.write_each(accept, named(seeded.message(), later))
    assert isinstance(again, Earlier)
    assert again.accepted_ns == NOW_NS + 1001


async def test_a_tenant_has_its_own_keys(store: Store, seeded: Seeded) -> None:
    """The same key of somebody else is another key."""
    await store.write_each(accept, named(seeded.message()))
    theirs = replace(seeded.message(), sub_account=SubAccountId(77))
    assert isinstance(await store.write_each(accept, named(theirs)), Stored)


async def test_a_request_that_was_not_stored_leaves_its_key_free(
    store: Store, seeded: Seeded
) -> None:
    """The sender mends the pool and comes again."""
    lost = replace(seeded.message(), pool=PoolId(seeded.pool.id + 1))
    assert await store.write_each(accept, named(lost)) == PoolGone()
    assert isinstance(await store.write_each(accept, named(seeded.message())), Stored)


async def test_old_keys_are_forgotten_batch_by_batch(
    store: Store, seeded: Seeded
) -> None:
    """Those of the time that is asked about, and no others."""
    for number in range(3):
        key = replace(KEY, key=bytes([number]))
        await store.write_each(accept, named(seeded.message(), key, NOW_NS + number))
    assert await store.write(forget_keys, NOW_NS + 2, 1) == 1
    assert await store.write(forget_keys, NOW_NS + 2, 9) == 1
    assert await store.write(forget_keys, NOW_NS + 2, 9) == 0

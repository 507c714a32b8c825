import sqlite3
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.core.address import Address
from appliance.core.ids import SubAccountId
from appliance.core.suppression import (
    EVERYTHING,
    Scope,
    Source,
    Stop,
    Suppression,
    SuppressionFilter,
    SuppressionReason,
    WholeDomain,
)
from appliance.store.database import Store
from appliance.store.migrations import migrate
from appliance.store.sealed import Sealer
from appliance.store.suppression_lists import (
    NewSuppression,
    add_suppressions,
    put_suppressions,
    remove_suppressions,
)
from appliance.store.suppressions import (
    add_suppression,
    count_suppressions,
    expire,
    find_suppressions,
    get_suppression,
    get_suppressions,
    list_suppressions,
    load_suppression_changes,
    remove_suppression,
)
from appliance.store.transaction import Tx
from tests.fakes.store import NOW_NS, Seeded, seed_in

BOB = Address("Bob", "x.example")


async def suppress(store: Store, seeded: Seeded, reason: SuppressionReason) -> bool:
    """Suppress Bob."""
    return await store.write(
        add_suppression,
        seeded.sub_account.id,
        BOB,
        reason=reason,
        now_ns=NOW_NS,
        description="why",
    )


async def test_an_address_is_suppressed_once_in_any_spelling(
    store: Store, seeded: Seeded
) -> None:
    """The first reason is kept."""
    assert await suppress(store, seeded, SuppressionReason.HARD_BOUNCE)
    assert not await suppress(store, seeded, SuppressionReason.MANUAL)
    (one,) = await store.read(list_suppressions, seeded.sub_account.id, limit=10)
    assert (one.address, one.description) == ("bob@x.example", "why")
    assert one.reason is SuppressionReason.HARD_BOUNCE
    after = await store.read(
        list_suppressions, seeded.sub_account.id, after=one.id, limit=10
    )
    assert after == []


async def test_a_lifted_address_may_be_suppressed_again(
    store: Store, seeded: Seeded
) -> None:
    """Removal lifts it; what is not suppressed cannot be lifted."""
    sub_account = seeded.sub_account.id
    assert not await store.write(remove_suppression, sub_account, BOB)
    await suppress(store, seeded, SuppressionReason.HARD_BOUNCE)
    assert await store.write(remove_suppression, sub_account, BOB)
    assert not await store.write(remove_suppression, sub_account, BOB)
    assert await store.read(list_suppressions, sub_account, limit=10) == []
    assert await suppress(store, seeded, SuppressionReason.MANUAL)
    (one,) = await store.read(list_suppressions, sub_account, limit=10)
    assert one.reason is SuppressionReason.MANUAL


async def test_the_pulse_counts_changes_only(store: Store, seeded: Seeded) -> None:
    """Repeating what is so already makes nobody look."""
    await suppress(store, seeded, SuppressionReason.MANUAL)
    once = await store.pulse()
    await suppress(store, seeded, SuppressionReason.MANUAL)
    assert (await store.pulse()).suppressions == once.suppressions == 1
    assert (await store.pulse()).configuration == once.configuration


async def test_removal_tells_what_was_lifted(store: Store, seeded: Seeded) -> None:
    """Why it was there, and by whom."""
    await suppress(store, seeded, SuppressionReason.HARD_BOUNCE)
    lifted = await store.write(remove_suppression, seeded.sub_account.id, BOB)
    assert lifted is not None
    assert (lifted.target, lifted.source) == ("bob@x.example", Source.BOUNCE)


async def test_the_source_and_the_cause_are_kept(store: Store, seeded: Seeded) -> None:
    """A person may tell of a bounce elsewhere; a lifted entry forgets both."""
    sub_account, cause = seeded.sub_account.id, UUID(int=7)

    def add(tx: Tx, source: Source | None, delivery: UUID | None) -> Suppression | None:
        add_suppression(
            tx,
            sub_account,
            BOB,
            reason=SuppressionReason.HARD_BOUNCE,
            now_ns=NOW_NS,
            source=source,
            delivery=delivery,
        )
        return get_suppression(tx, sub_account, BOB)

    one = await store.write(add, None, cause)
    assert one is not None
    assert (one.source, one.delivery) == (Source.BOUNCE, cause)
    await store.write(remove_suppression, sub_account, BOB)
    one = await store.write(add, Source.HAND, None)
    assert one is not None
    assert (one.source, one.delivery) == (Source.HAND, None)


async def test_a_whole_domain_is_an_entry_of_its_own(
    store: Store, seeded: Seeded
) -> None:
    """It lifts no address at it, and the other way round."""
    sub_account = seeded.sub_account.id
    whole = WholeDomain("x.example")
    items = [
        NewSuppression(one, SuppressionReason.MANUAL, NOW_NS) for one in (whole, BOB)
    ]
    assert await store.write(add_suppressions, sub_account, [*items, *items]) == 2
    lifted = await store.write(remove_suppressions, sub_account, [whole, whole])
    assert [one.target for one in lifted] == ["*@x.example"]
    assert await store.read(get_suppression, sub_account, whole) is None
    assert await store.read(get_suppression, sub_account, BOB) is not None


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (SuppressionFilter(), "dcba"),
        (SuppressionFilter(SuppressionReason.HARD_BOUNCE), "b"),
        (SuppressionFilter(search="B@"), "b"),
        (SuppressionFilter(search="%"), ""),
        (SuppressionFilter(from_ns=2), "dcb"),
        (SuppressionFilter(from_ns=2, until_ns=3), "b"),
    ],
)
async def test_the_wanted_are_found_newest_first(
    store: Store, seeded: Seeded, wanted: SuppressionFilter, found: str
) -> None:
    """By reason, text and time; a count counts the same."""
    sub_account = seeded.sub_account.id
    for at_ns, name in enumerate("abcd", 1):
        why = SuppressionReason.HARD_BOUNCE if name == "b" else SuppressionReason.MANUAL
        item = NewSuppression(Address(name, "x.example"), why, at_ns)
        await store.write(add_suppressions, sub_account, [item])
    entries = await store.read(find_suppressions, sub_account, wanted, limit=9)
    assert "".join(one.address[0] for one in entries) == found
    assert await store.read(count_suppressions, sub_account, wanted) == len(found)
    second = await store.read(find_suppressions, sub_account, wanted, offset=1, limit=1)
    assert "".join(one.address[0] for one in second) == found[1:2]


async def test_what_is_for_some_mail_only_is_an_entry_of_its_own(
    store: Store, seeded: Seeded
) -> None:
    """Each scope is added, found and lifted for itself, or all of an address."""
    owner, news, shop = seeded.sub_account.id, Scope("news"), Scope("", "shop.example")
    items = [
        NewSuppression(BOB, SuppressionReason.UNSUBSCRIBE, NOW_NS, scope=one)
        for one in (EVERYTHING, news, shop)
    ]
    assert await store.write(add_suppressions, owner, [*items, *items]) == 3
    for scope in (EVERYTHING, news, shop):
        wanted = SuppressionFilter(scope=scope)
        (one,) = await store.read(find_suppressions, owner, wanted, limit=9)
        assert one.scope == scope
        assert await store.read(count_suppressions, owner, wanted) == 1
    assert await store.write(remove_suppressions, owner, [BOB], Scope("x")) == []
    (lifted,) = await store.write(remove_suppressions, owner, [BOB], news)
    assert lifted.scope == news
    assert await store.read(get_suppression, owner, BOB, news) is None
    left = await store.read(get_suppressions, owner, BOB)
    assert [one.scope for one in left] == [EVERYTHING, shop]
    lifted_too = await store.write(remove_suppressions, owner, [BOB], None)
    assert lifted_too == left


async def test_what_has_ended_is_there_no_more(store: Store, seeded: Seeded) -> None:
    """Neither listed nor counted; it may be added again, and is lifted in time."""
    owner, end_ns = seeded.sub_account.id, NOW_NS + 5
    item = NewSuppression(BOB, SuppressionReason.HARD_BOUNCE, NOW_NS, expires_ns=end_ns)
    await store.write(add_suppressions, owner, [item])
    for now_ns, there in ((end_ns - 1, 1), (end_ns, 0)):
        assert await store.read(count_suppressions, owner, now_ns=now_ns) == there
        for read in (find_suppressions, list_suppressions):
            found = await store.read(read, owner, limit=9, now_ns=now_ns)
            assert len(found) == there
        found = await store.read(get_suppressions, owner, BOB, now_ns=now_ns)
        assert len(found) == there
    late = NewSuppression(BOB, SuppressionReason.MANUAL, end_ns, expires_ns=end_ns + 5)
    assert await store.write(add_suppressions, owner, [late]) == 1
    assert await store.write(expire, end_ns, 9) == 0
    before = await store.pulse()
    assert await store.write(expire, end_ns + 5, 9) == 1
    assert await store.write(expire, end_ns + 5, 9) == 0
    assert (await store.pulse()).suppressions == before.suppressions + 1
    assert await store.read(get_suppression, owner, BOB) is None


@pytest.mark.parametrize(
    ("first", "second", "then"),
    [(5, 9, 9), (9, 5, 9), (5, None, None), (None, 5, None)],
)
async def test_of_two_ends_the_later_counts(
    store: Store,
    seeded: Seeded,
    first: int | None,
    second: int | None,
    then: int | None,
) -> None:
    """A complaint that never ends outlives the bounce before it, whose reason stays."""
    owner = seeded.sub_account.id
    whys = SuppressionReason.HARD_BOUNCE, SuppressionReason.SPAM_COMPLAINT
    for why, end in zip(whys, (first, second), strict=True):
        end_ns = None if end is None else NOW_NS + end
        item = NewSuppression(BOB, why, NOW_NS, expires_ns=end_ns)
        await store.write(add_suppressions, owner, [item])
    changes = await store.read(load_suppression_changes, 0)
    expires_ns = None if then is None else NOW_NS + then
    known = {
        (owner, "bob@x.example", EVERYTHING): Stop(whys[0], EVERYTHING, expires_ns)
    }
    assert changes.added == known


async def test_what_a_hand_adds_again_becomes_as_it_says(
    store: Store, seeded: Seeded
) -> None:
    """Reason, end and note (spec 12.1), as far as they are named; since when stays."""
    owner, cause = seeded.sub_account.id, UUID(int=7)
    await store.write(
        add_suppression,
        owner,
        BOB,
        reason=SuppressionReason.HARD_BOUNCE,
        now_ns=NOW_NS,
        description="550",
        delivery=cause,
        expires_ns=NOW_NS + 9,
    )

    async def put(
        why: SuppressionReason | None, note: str = "", end_ns: int | None = None
    ) -> Suppression:
        item = NewSuppression(BOB, why, NOW_NS + 5, note, expires_ns=end_ns)
        ((one, is_new),) = await store.write(put_suppressions, owner, [item])
        assert not is_new
        assert (one.at_ns, one.delivery) == (NOW_NS, cause)
        return one

    changes = (await store.pulse()).suppressions
    same = await put(SuppressionReason.HARD_BOUNCE, end_ns=NOW_NS + 9)
    assert (same.source, same.description) == (Source.BOUNCE, "550")
    assert (await store.pulse()).suppressions == changes
    longer = await put(None)
    assert (longer.reason, longer.source) == (same.reason, Source.HAND)
    assert longer.expires_ns is None
    other = await put(SuppressionReason.MANUAL, "phone", NOW_NS + 20)
    assert other.reason is SuppressionReason.MANUAL
    assert (other.description, other.expires_ns) == ("phone", NOW_NS + 20)


async def test_a_list_is_of_one_sub_account(store: Store, seeded: Seeded) -> None:
    """ATTACKS 12: nobody sees, counts or lifts another's."""
    await suppress(store, seeded, SuppressionReason.MANUAL)
    other = SubAccountId(seeded.sub_account.id + 1)
    assert await store.read(find_suppressions, other, limit=9) == []
    assert await store.read(count_suppressions, other) == 0
    assert await store.write(remove_suppression, other, BOB) is None


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "remove", "look", "expire"]),
            st.sampled_from("ab"),
            st.sampled_from([EVERYTHING, Scope("t"), Scope("", "d.example")]),
            st.sampled_from([None, 1, 2]),
        )
    )
)
def test_memory_that_follows_the_changes_is_never_wrong(
    steps: list[tuple[str, str, Scope, int | None]],
) -> None:
    """Whatever is added, lifted and ends between two looks, the two agree."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    migrate(db)
    tx = Tx(db, Sealer(bytes(32)))
    owner = seed_in(tx).sub_account.id
    why = SuppressionReason.MANUAL
    truth: dict[tuple[SubAccountId, str, Scope], Stop] = {}
    memory: dict[tuple[SubAccountId, str, Scope], Stop] = {}
    upto = 0
    for step, name, scope, end in [*steps, ("look", "a", EVERYTHING, None)]:
        address = Address(name, "x.example")
        known = owner, address.key, scope
        if step == "add":
            add_suppression(
                tx, owner, address, reason=why, now_ns=0, scope=scope, expires_ns=end
            )
            ends = {end, truth[known].expires_ns} if known in truth else {end}
            last = None if None in ends else max(one for one in ends if one)
            truth[known] = Stop(why, scope, last)
        elif step == "remove":
            remove_suppression(tx, owner, address, scope)
            truth.pop(known, None)
        elif step == "expire" and end is not None:
            expire(tx, end, 100)
            truth = {key: one for key, one in truth.items() if one.holds(end)}
        else:
            changes = load_suppression_changes(tx, upto)
            for one in changes.lifted:
                memory.pop(one, None)
            memory.update(changes.added)
            upto = changes.upto
            assert memory == truth
    db.close()

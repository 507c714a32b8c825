import sqlite3
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.core.address import Address
from appliance.core.ids import SubAccountId
from appliance.core.suppression import (
    Source,
    Suppression,
    SuppressionFilter,
    SuppressionReason,
    WholeDomain,
)
from appliance.store.database import Store
from appliance.store.migrations import migrate
from appliance.store.sealed import Sealer
from appliance.store.suppressions import (
    NewSuppression,
    add_suppression,
    add_suppressions,
    count_suppressions,
    find_suppressions,
    get_suppression,
    list_suppressions,
    load_suppression_changes,
    remove_suppression,
    remove_suppressions,
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
        st.tuples(st.sampled_from(["add", "remove", "look"]), st.sampled_from("abc"))
    )
)
def test_memory_that_follows_the_changes_is_never_wrong(
    steps: list[tuple[str, str]],
) -> None:
    """Whatever is added and lifted between two looks, the sets agree."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    migrate(db)
    tx = Tx(db, Sealer(bytes(32)))
    sub_account = seed_in(tx).sub_account.id
    truth: set[tuple[SubAccountId, str]] = set()
    memory: set[tuple[SubAccountId, str]] = set()
    upto = 0
    for step, name in [*steps, ("look", "")]:
        address = Address(name, "x.example")
        if step == "add":
            add_suppression(
                tx,
                sub_account,
                address,
                reason=SuppressionReason.MANUAL,
                now_ns=NOW_NS,
            )
            truth.add((sub_account, address.key))
        elif step == "remove":
            remove_suppression(tx, sub_account, address)
            truth.discard((sub_account, address.key))
        else:
            changes = load_suppression_changes(tx, upto)
            memory.difference_update(changes.lifted)
            memory.update(changes.added)
            upto = changes.upto
            assert memory == truth
    db.close()

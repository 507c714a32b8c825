import sqlite3

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.core.address import Address
from appliance.core.ids import SubAccountId
from appliance.store.database import Store
from appliance.store.migrations import migrate
from appliance.store.sealed import Sealer
from appliance.store.suppressions import (
    SuppressionReason,
    add_suppression,
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

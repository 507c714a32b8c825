"""Whom mail that comes back is about, and how much of it there was."""

from appliance.core.address import Address
from appliance.core.ids import uuid7
from appliance.store.database import Store
from appliance.store.returns import (
    Gone,
    add_return_counts,
    find_gone,
    find_gone_by_message,
    return_counts,
)
from tests.fakes.gone import send_out
from tests.fakes.store import NOW_NS, Seeded


async def test_only_what_left_can_come_back(store: Store, seeded: Seeded) -> None:
    """A mail that waits, and an id that is nobody's, are no return path."""
    owner = seeded.sub_account
    (left,) = await store.write(send_out, owner, "Bob@rcpt.example")
    (waits,) = await store.write(send_out, owner, "al@rcpt.example", settled=False)
    found = Gone(left, owner.id, Address("Bob", "rcpt.example"))
    assert await store.read(find_gone, left) == found
    assert await store.read(find_gone, waits) is None
    assert await store.read(find_gone, uuid7()) is None


async def test_the_id_of_a_message_names_no_copy_of_several(
    store: Store, seeded: Seeded
) -> None:
    """ATTACKS 24: each recipient knows it, and could speak for another."""
    owner = seeded.sub_account
    (alone,) = await store.write(send_out, owner, "bob@rcpt.example")
    first, second = await store.write(send_out, owner, "b@x.example", "c@x.example")
    found = await store.read(find_gone_by_message, alone)
    assert found is not None
    assert found.delivery == alone
    for one, shown in ((first, True), (second, False)):
        assert await store.read(find_gone_by_message, one) is None
        gone = await store.read(find_gone, one)
        assert gone is not None
        assert gone.shown is shown
    assert not found.shown


async def test_counts_add_up(store: Store) -> None:
    """Over restarts too: they are rows."""
    assert await store.read(return_counts) == {}
    for counts in ({"b": 2, "a": 1}, {}, {"b": 3}):
        await store.write(add_return_counts, counts, NOW_NS)
    assert await store.read(return_counts) == {"a": 1, "b": 5}

from dataclasses import replace

from appliance.core.recipient_class import RecipientClass
from appliance.core.throttle import NO_LIMITS, Limit, Limits
from appliance.store.database import Store
from appliance.store.limits import load_limits
from appliance.store.providers import (
    NewProvider,
    add_provider,
    get_provider,
    remove_provider,
    update_provider,
)
from appliance.store.transaction import Tx, View

LIMITS = Limits(
    Limit(1000, 5),
    {RecipientClass.GMAIL: Limit(100), RecipientClass.DEFAULT: Limit(None, 1)},
    {"example.com": Limit(7, 1)},
)
NEW = NewProvider("relay", host="mx.example", limits=LIMITS)


def rows(view: View) -> list[tuple[object, ...]]:
    """The limits as they are stored, with what is left of them."""
    return view.db.execute(
        "SELECT id, scope, key, per_hour, hour_left FROM throttle ORDER BY id"
    ).fetchall()


async def test_limits_come_back_with_their_provider(store: Store) -> None:
    """Overall, by class, by domain; no limits are no rows."""
    added = await store.write(add_provider, NEW)
    assert added is not None
    assert added.limits == LIMITS
    assert await store.read(load_limits, None) == {added.id: LIMITS}
    other = await store.write(add_provider, replace(NEW, name="o", limits=NO_LIMITS))
    assert other is not None
    assert other.limits == NO_LIMITS
    assert len(await store.read(rows)) == 4


async def test_a_change_keeps_what_is_left(store: Store) -> None:
    """A limit that stays, or comes again, has its row and its tokens."""
    added = await store.write(add_provider, NEW)
    assert added is not None

    def spend(tx: Tx) -> None:
        tx.db.execute("UPDATE throttle SET hour_left = id")

    await store.write(spend)
    before = await store.read(rows)
    fewer = replace(NEW, limits=Limits(Limit(500)))
    changed = await store.write(update_provider, added.id, fewer)
    assert changed is not None
    assert changed.limits == Limits(Limit(500))
    again = await store.write(update_provider, added.id, NEW)
    assert again is not None
    assert again.limits == LIMITS
    assert await store.read(rows) == before


async def test_a_lifted_limit_keeps_its_row(store: Store) -> None:
    """Mail that stands in its queue finds there that nothing holds it."""
    added = await store.write(add_provider, NEW)
    assert added is not None
    free = await store.write(update_provider, added.id, replace(NEW, limits=NO_LIMITS))
    assert free is not None
    assert free.limits == NO_LIMITS
    assert len(await store.read(rows)) == 4


async def test_limits_go_with_their_provider(store: Store) -> None:
    """Nothing is left of them."""
    added = await store.write(add_provider, NEW)
    assert added is not None
    assert (await store.write(remove_provider, added.id)).removed
    assert await store.read(rows) == []
    assert await store.read(get_provider, added.id) is None

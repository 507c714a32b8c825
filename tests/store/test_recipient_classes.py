from appliance.core.recipient_class import RecipientClass
from appliance.store.database import Store
from appliance.store.recipient_classes import (
    Known,
    keep_classes,
    load_classes,
    load_latest_classes,
)

ACME = Known("acme.example", RecipientClass.OFFICE365, 10)
LATER = Known("acme.example", RecipientClass.MIMECAST, 30)
SHOP = Known("shop.example", RecipientClass.DEFAULT, 20)


async def test_what_was_found_out_last_counts(store: Store) -> None:
    """A domain that moves to another host has one class, the new one."""
    await store.write(keep_classes, [ACME], 10)
    await store.write(keep_classes, [SHOP, ACME, LATER], 10)
    found = await store.read(load_classes, ["acme.example", "x.example"])
    assert found == [LATER]


async def test_the_latest_are_loaded_oldest_first(store: Store) -> None:
    """So that a memory that fills up drops the oldest of them."""
    await store.write(keep_classes, [LATER, SHOP], 10)
    assert await store.read(load_latest_classes, 10) == [SHOP, LATER]
    assert await store.read(load_latest_classes, 1) == [LATER]


async def test_of_too_many_the_oldest_are_forgotten(store: Store) -> None:
    """Recipients can name any number of domains; the disk stays small."""
    many = [Known(f"d{n}.example", RecipientClass.DEFAULT, n) for n in range(7)]
    await store.write(keep_classes, many[:4], 3)
    await store.write(keep_classes, many[4:], 3)
    assert await store.read(load_latest_classes, 10) == many[4:]

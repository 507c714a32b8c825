from pathlib import Path

import pytest
import trio

from appliance.core.ids import DeliveryId
from appliance.core.message import Request
from appliance.flow import dots as dots_module
from appliance.flow.dots import Dots
from appliance.store.claim import claim
from appliance.store.database import Store
from appliance.store.deliveries import release
from appliance.store.doubt import Rescued, rescue
from appliance.store.errors import StoreUnavailable
from appliance.store.messages import accept
from tests.fakes.store import NOW_NS, Seeded, open_temp_store, seed

PLENTY = 1_000_000


async def flying(
    store: Store, seeded: Seeded, number: int
) -> tuple[Dots, list[DeliveryId]]:
    """A store's notes, and so many deliveries that are in flight."""
    messages = tuple(seeded.message() for _ in range(number))
    await store.write_each(accept, Request(messages))
    copies = await store.write(claim, NOW_NS, number, PLENTY)
    return Dots(store, lambda: NOW_NS), [copy.id for copy in copies]


async def test_many_dots_are_noted_at_a_time(tmp_path: Path) -> None:
    """Asked for first and waited for afterwards, they share commits."""
    async with open_temp_store(tmp_path) as store:
        dots, deliveries = await flying(store, await seed(store), 50)
        notes = [dots.note(delivery) for delivery in deliveries]
        assert [await note.wait() for note in notes] == [True] * 50
        assert await store.write(rescue, NOW_NS, 0) == Rescued(0, 50)


async def test_what_is_not_ours_may_not_leave(tmp_path: Path) -> None:
    """Released meanwhile: somebody else may send it now."""
    async with open_temp_store(tmp_path) as store:
        dots, (delivery,) = await flying(store, await seed(store), 1)
        await store.write(release, [delivery], NOW_NS)
        assert not await dots.note(delivery).wait()


async def test_a_waiter_that_is_cancelled_disturbs_nothing(tmp_path: Path) -> None:
    """The note commits all the same; nobody is woken for it."""
    async with open_temp_store(tmp_path) as store:
        dots, (delivery,) = await flying(store, await seed(store), 1)
        note = dots.note(delivery)
        with trio.move_on_after(0):
            await note.wait()
        assert await dots.note(delivery).wait()


async def test_while_the_disk_is_full_the_dot_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ATTACKS 26: nothing is sent that could not be noted; later it goes on."""
    monkeypatch.setattr(dots_module, "AGAIN_SECONDS", 0.01)
    async with open_temp_store(tmp_path) as store:
        dots, (delivery,) = await flying(store, await seed(store), 1)
        failed = trio.Event()
        real = store.write_later

        def full(*_: object) -> None:
            failed.set()
            raise StoreUnavailable("full")

        monkeypatch.setattr(store, "write_later", full)
        note = dots.note(delivery)
        async with trio.open_nursery() as nursery:
            told: list[bool] = []

            async def wait() -> None:
                told.append(await note.wait())

            nursery.start_soon(wait)
            await failed.wait()
            assert told == []
            monkeypatch.setattr(store, "write_later", real)
        assert told == [True]

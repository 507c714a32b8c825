import sqlite3
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.event import Event
from appliance.core.ids import uuid7
from appliance.core.message import Request
from appliance.store import writer as writer_module
from appliance.store.database import Store
from appliance.store.errors import StoreUnavailable
from appliance.store.events import list_events
from appliance.store.messages import accept, list_recent
from appliance.store.transaction import Tx, View
from appliance.store.writer import LIGHT_ITEMS
from tests.fakes.store import Seeded, open_temp_store, seed


def put(tx: Tx, items: Sequence[int]) -> list[int]:
    """Write a row for each item; a negative one is a bug, found after the writing."""
    tx.db.executemany(
        "INSERT INTO account (uuid, name, created_ns) VALUES (?, ?, 0)",
        [(uuid7().bytes, str(item)) for item in items],
    )
    if any(item < 0 for item in items):
        raise ArithmeticError(min(items))
    return [item * 10 for item in items]


def put_one(tx: Tx, item: int) -> int:
    """The same for one item."""
    return put(tx, [item])[0]


def on_disk(view: View) -> set[int]:
    """The items that have a row."""
    return {int(name) for (name,) in view.db.execute("SELECT name FROM account")}


async def limit_pages(store: Store, spare: int) -> None:
    """Let the file grow by ``spare`` pages and no more: a real SQLITE_FULL."""

    def limit(view: View) -> int:
        return int(view.db.execute("PRAGMA page_count").fetchone()[0])

    pages = await store.read(limit) + spare
    writing = store._writer._connection
    await writing.execute_fetchall(f"PRAGMA max_page_count = {pages}")


async def test_those_who_wait_share_a_commit(store: Store) -> None:
    """A batch function sees the items of all who wait, in order, once."""
    batches: list[list[int]] = []
    results: dict[int, int] = {}

    def spy(tx: Tx, items: Sequence[int]) -> list[int]:
        batches.append(list(items))
        return put(tx, items)

    async def one(item: int) -> None:
        results[item] = await store.write_each(spy, item)

    async with trio.open_nursery() as nursery:
        for item in range(40):
            nursery.start_soon(one, item)
    assert results == {item: item * 10 for item in range(40)}
    assert sorted(item for batch in batches for item in batch) == list(range(40))
    assert len(batches) <= 2


async def test_another_process_that_writes_is_waited_for(
    store: Store, tmp_path: Path
) -> None:
    """ATTACKS 26: a command that changes rows meanwhile costs nobody a mail."""
    other = sqlite3.connect(tmp_path / "postroom.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    results: list[int] = []

    async def one() -> None:
        results.append(await store.write_each(put, 7))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(one)
        await trio.testing.wait_all_tasks_blocked()
        assert not results
        other.execute("COMMIT")
    other.close()
    assert results == [70]
    assert await store.read(on_disk) >= {7}


@pytest.mark.parametrize("more", [0, LIGHT_ITEMS])
async def test_only_the_guilty_item_of_a_batch_fails(store: Store, more: int) -> None:
    """One caller's bug costs the others nothing, not even half a row.

    So it is whether the loop writes the rows or, being many, the thread does.
    """
    rest = range(5, 5 + more)
    failed: list[int] = []

    async def one(item: int) -> None:
        try:
            await store.write_each(put, item)
        except ArithmeticError:
            failed.append(item)

    async with trio.open_nursery() as nursery:
        for item in (1, 2, -3, 4, *rest):
            nursery.start_soon(one, item)
    assert failed == [-3]
    assert await store.read(on_disk) == {1, 2, 4, *rest}


async def test_events_reach_listeners_before_the_waiter_goes_on(
    store: Store, seeded: Seeded
) -> None:
    """Who is told of an acceptance can rely on the feed having seen it."""
    heard: list[Event] = []
    store.on_commit(heard.extend)
    await store.write_each(accept, Request((seeded.message(),)))
    assert heard == await store.read(list_events, limit=10)
    assert [one.number for one in heard] == [1]


async def test_a_failed_transaction_has_no_events_and_uses_no_number(
    store: Store, seeded: Seeded
) -> None:
    """Nobody hears of what did not happen, and there is no gap where it was."""
    heard: list[Event] = []
    store.on_commit(heard.extend)

    def doomed(tx: Tx) -> None:
        accept(tx, [Request((seeded.message(),))])
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        await store.write(doomed)
    assert heard == []
    await store.write_each(accept, Request((seeded.message(),)))
    assert [one.number for one in heard] == [1]


async def test_events_are_numbered_without_a_gap_in_the_order_of_commits(
    store: Store, seeded: Seeded
) -> None:
    """Listeners hear 1, 2, 3, ... however many tasks write."""
    heard: list[Event] = []
    store.on_commit(heard.extend)

    async def one() -> None:
        for _ in range(10):
            await store.write_each(accept, Request((seeded.message(),)))

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(one)
    assert [one.number for one in heard] == list(range(1, 101))
    assert heard == await store.read(list_events, limit=1000)


async def test_a_later_write_tells_its_result_after_the_commit(store: Store) -> None:
    """``done`` gets the result, or the error of its own item, with the row on disk."""
    told: list[int | Exception] = []
    store.write_later(put, 1, told.append)
    store.write_later(put, -2, told.append)
    store.write_later(put, 3, told.append)
    assert told == []
    await store.write(put_one, 4)
    first, second, third = told
    assert (first, third) == (10, 30)
    assert isinstance(second, ArithmeticError)
    assert await store.read(on_disk) == {1, 3, 4}


async def test_later_writes_are_bounded(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller that never waits is told before memory is full."""
    monkeypatch.setattr(writer_module, "MAX_WAITING_ITEMS", 5)
    told: list[int | Exception] = []
    for item in range(10):
        store.write_later(put, item, told.append)
    with pytest.raises(StoreUnavailable, match="too many"):
        store.write_later(put, 10, told.append)


async def test_heavy_items_wait_for_room(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes that wait are bounded, and all of them get through in turn."""
    monkeypatch.setattr(writer_module, "MAX_WAITING_BYTES", 100)
    monkeypatch.setattr(writer_module, "MAX_BYTES", 50)
    most = 0

    async def one(item: int) -> None:
        nonlocal most
        await store.write_each(put, item, 40)
        most = max(most, store._writer._waiting_bytes)

    async with trio.open_nursery() as nursery:
        for item in range(20):
            nursery.start_soon(one, item)
    assert most <= 120
    assert store._writer._waiting_bytes == 0
    assert await store.read(on_disk) == set(range(20))


async def test_a_cancelled_item_that_still_waited_is_not_written(store: Store) -> None:
    """A deadline that passes in the queue leaves nothing behind."""
    with trio.move_on_after(0) as scope:
        await store.write_each(put, 1)
    assert scope.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.write_each, put, 2)
        await trio.testing.wait_all_tasks_blocked()  # 2 is with the thread or done
        with trio.CancelScope() as inner:
            inner.cancel()
            await store.write_each(put, 3)
    assert await store.read(on_disk) == {2}


async def test_a_cancelled_item_that_was_handed_over_is_written(store: Store) -> None:
    """Once with the thread it commits; its task has the result, then is cancelled."""
    started, go_on = threading.Event(), threading.Event()

    def slow(tx: Tx) -> int:
        started.set()
        go_on.wait(5)
        return put_one(tx, 1)

    async def cancel_in_the_middle(scope: trio.CancelScope) -> None:
        await trio.to_thread.run_sync(started.wait)
        scope.cancel()
        go_on.set()

    result = 0
    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            nursery.start_soon(cancel_in_the_middle, scope)
            result = await store.write(slow)
            await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert result == 10
    assert await store.read(on_disk) == {1}


async def test_a_store_that_is_closed_says_so(tmp_path: Path) -> None:
    """A task that outlives the store gets an error, not a wait without end."""
    async with open_temp_store(tmp_path) as store:
        pass
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.write(put_one, 1)
    with pytest.raises(StoreUnavailable, match="closed"):
        store.write_later(put, 1, lambda _: None)


async def test_later_writes_are_on_disk_when_the_store_has_closed(
    tmp_path: Path,
) -> None:
    """Closing drains what was handed in."""
    told: list[int | Exception] = []
    async with open_temp_store(tmp_path) as store:
        for item in range(1200):
            store.write_later(put, item, told.append)
    assert told == [item * 10 for item in range(1200)]
    async with open_temp_store(tmp_path) as store:
        assert await store.read(on_disk) == set(range(1200))


async def test_a_listener_with_a_bug_ends_the_store_and_hangs_nobody(
    tmp_path: Path,
) -> None:
    """A bug in a loop ends the process; those who waited know their result."""

    def bug(_: object) -> None:
        raise ArithmeticError("listener")

    with pytest.RaisesGroup(pytest.RaisesExc(ArithmeticError, match="listener")):
        async with open_temp_store(tmp_path) as store:
            seeded = await seed(store)
            store.on_commit(bug)
            await store.write_each(accept, Request((seeded.message(),)))
            await trio.sleep_forever()
    async with open_temp_store(tmp_path) as store:
        assert len(await store.read(list_recent, 10)) == 1


async def test_a_full_disk_is_an_expected_error_and_passes(
    store: Store, seeded: Seeded
) -> None:
    """ATTACKS 26: nothing half-written, the writer goes on when there is room."""
    await limit_pages(store, 20)
    stored = 0

    async def fill_up() -> None:
        nonlocal stored
        while True:
            await store.write_each(accept, Request((seeded.message(),)))
            stored += 1

    with pytest.raises(StoreUnavailable) as caught:
        await fill_up()
    assert caught.value.full
    assert len(await store.read(list_recent, 10_000)) == stored
    assert len(await store.read(list_events, limit=10_000)) == stored
    await limit_pages(store, 1_000)
    await store.write_each(accept, Request((seeded.message(),)))
    events = await store.read(list_events, limit=10_000)
    assert [one.number for one in events] == list(range(1, stored + 2))


async def test_on_a_full_disk_small_items_still_get_through(store: Store) -> None:
    """One huge mail does not take the outcomes of others down with it."""

    def huge(tx: Tx) -> None:
        tx.db.execute("INSERT INTO content VALUES (1, zeroblob(10000000))")

    refused: list[bool] = []

    async def write_huge() -> None:
        try:
            await store.write(huge)
        except StoreUnavailable as error:
            refused.append(error.full)

    await limit_pages(store, 20)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.write_each, put, 1)
        nursery.start_soon(write_huge)
        nursery.start_soon(store.write_each, put, 2)
    assert refused == [True]
    assert await store.read(on_disk) == {1, 2}


async def test_a_read_only_disk_fails_all_that_wait_at_once(store: Store) -> None:
    """ATTACKS 26: a remount is nobody's guilt; each waiter has an error of its own."""
    writing = store._writer._connection
    await writing.execute("PRAGMA query_only = ON")
    told: list[int | Exception] = []
    for item in range(3):
        store.write_later(put, item, told.append)
    with pytest.raises(StoreUnavailable, match="readonly"):
        await store.write(put_one, 9)
    assert [type(one) for one in told] == [StoreUnavailable] * 3
    assert len(set(map(id, told))) == 3
    await writing.execute("PRAGMA query_only = OFF")
    assert await store.write(put_one, 9) == 90


@dataclass
class Ledger:
    """What each item was told."""

    kept: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)

    def tell(self, item: int, answer: int | Exception) -> None:
        """Book one answer."""
        (self.refused if isinstance(answer, Exception) else self.kept).add(item)


steps = st.lists(
    st.tuples(
        st.sampled_from(["alone", "each", "later"]),
        st.booleans(),  # a bug
        st.none() | st.integers(0, 4),  # cancelled after so many checkpoints
        st.integers(0, 2),  # checkpoints before the next step
    ),
    max_size=40,
)


@given(steps)
def test_what_was_acknowledged_is_on_disk_and_nothing_else(
    plan: list[tuple[str, bool, int | None, int]],
) -> None:
    """Any mix of writes, bugs and cancellations: the answers are the truth.

    A result means the row is there after reopening; an error or a cancellation
    means it is not.
    """
    ledger = Ledger()
    with tempfile.TemporaryDirectory() as folder:
        trio.run(carry_out, plan, Path(folder), ledger)
        kept = trio.run(reopen, Path(folder))
    assert kept == ledger.kept
    assert len(ledger.kept | ledger.refused) == len(plan)
    assert not ledger.kept & ledger.refused


async def reopen(folder: Path) -> set[int]:
    """The items on disk."""
    async with open_temp_store(folder) as store:
        return await store.read(on_disk)


async def carry_out(
    plan: list[tuple[str, bool, int | None, int]], folder: Path, ledger: Ledger
) -> None:
    """Run the plan's steps as tasks of one store."""
    async with open_temp_store(folder) as store, trio.open_nursery() as nursery:
        for number, (kind, bug, patience, pause) in enumerate(plan, 1):
            item = -number if bug else number
            if kind == "later":
                tell = lambda answer, item=item: ledger.tell(item, answer)  # noqa: E731
                store.write_later(put, item, tell)
            else:
                nursery.start_soon(one_step, store, ledger, kind, item, patience)
            for _ in range(pause):
                await trio.lowlevel.checkpoint()


async def one_step(
    store: Store, ledger: Ledger, kind: str, item: int, patience: int | None
) -> None:
    """Write one item and book what came of it."""

    async def lose_patience(scope: trio.CancelScope, checkpoints: int) -> None:
        for _ in range(checkpoints):
            await trio.lowlevel.checkpoint()
        scope.cancel()

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            if patience is not None:
                nursery.start_soon(lose_patience, scope, patience)
            try:
                if kind == "alone":
                    ledger.tell(item, await store.write(put_one, item))
                else:
                    ledger.tell(item, await store.write_each(put, item))
            except ArithmeticError as error:
                ledger.tell(item, error)
            except trio.Cancelled:
                ledger.refused.add(item)
                raise

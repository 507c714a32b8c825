from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from appliance.core.event import Event, EventFilter, EventType
from appliance.core.message import Request
from appliance.flow import feed as feed_module
from appliance.flow.feed import Feed
from appliance.store.database import Store
from appliance.store.events import last_number
from appliance.store.messages import accept
from tests.fakes.store import Seeded, open_temp_store, seed

ALL = EventFilter()


@dataclass
class Log:
    """A store that makes events, and a feed over it."""

    store: Store
    seeded: Seeded
    feed: Feed

    async def add(self, number: int) -> None:
        """Make events in this process."""
        for _ in range(number):
            await self.store.write_each(accept, Request((self.seeded.message(),)))

    async def drain(self, after: int = 0, limit: int = 7) -> list[Event]:
        """All events after a number, page by page."""
        found: list[Event] = []
        while after < self.feed.last_number:
            events, after = await self.feed.read(after, limit, ALL)
            found += events
        return found


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Log]:
    """An empty log."""
    async with open_temp_store(tmp_path) as store:
        seeded = await seed(store)
        feed = Feed(store, await store.read(last_number))
        store.on_commit(feed.publish)
        yield Log(store, seeded, feed)


async def test_events_come_in_order_without_gap_or_repeat(log: Log) -> None:
    """Whether from memory or from the log."""
    await log.add(20)
    numbers = [event.number for event in await log.drain()]
    assert numbers == list(range(1, 21))
    restarted = Feed(log.store, 20)
    log.feed = restarted
    assert [event.number for event in await log.drain()] == numbers


async def test_a_reader_is_woken_by_a_commit(log: Log) -> None:
    """No polling inside the process."""
    seen: list[int] = []

    async def reader() -> None:
        await log.feed.wait(0)
        events, _ = await log.feed.read(0, 10, ALL)
        seen.extend(event.number for event in events)

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader)
            await log.add(1)
    assert seen == [1]


async def test_what_another_process_wrote_is_not_missed(
    log: Log, tmp_path: Path
) -> None:
    """Its numbers lie between ours; a reader sees all of them, each once."""
    await log.add(3)
    async with open_temp_store(tmp_path) as other:
        await other.write_each(accept, Request((log.seeded.message(),)))
    await log.add(2)
    assert [event.number for event in await log.drain()] == [1, 2, 3, 4, 5, 6]


async def test_a_look_finds_what_only_another_process_wrote(
    log: Log, tmp_path: Path
) -> None:
    """Nothing of our own need happen for readers to go on."""
    async with open_temp_store(tmp_path) as other:
        await other.write_each(accept, Request((log.seeded.message(),)))
    assert log.feed.last_number == 0
    await log.feed.look()
    assert [event.number for event in await log.drain()] == [1]


async def test_a_look_before_the_announcement_repeats_nothing(log: Log) -> None:
    """The heart may see a commit before the listener is called."""
    await log.add(1)
    events, _ = await log.feed.read(0, 10, ALL)
    await log.feed.look()
    log.feed.publish(events)
    assert [event.number for event in await log.drain()] == [1]
    assert log.feed.last_number == 1


async def test_what_is_not_wanted_moves_the_cursor_only(log: Log) -> None:
    """A filter that fits nothing does not make a reader start over."""
    await log.add(5)
    clicks = EventFilter(types=frozenset({EventType.CLICKED}))
    assert await log.feed.read(0, 10, clicks) == ([], 5)
    assert await Feed(log.store, 5).read(0, 10, clicks) == ([], 5)


async def test_a_rare_kind_is_looked_for_a_window_at_a_time(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One reader's filter does not hold the disk for the whole log."""
    monkeypatch.setattr(feed_module, "WINDOW", 2)
    await log.add(5)
    clicks = EventFilter(types=frozenset({EventType.CLICKED}))
    assert await Feed(log.store, 5).read(0, 10, clicks) == ([], 2)


async def test_memory_is_bounded(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older events than are kept come from the log."""
    monkeypatch.setattr(feed_module, "KEEP", 3)
    small = Feed(log.store, 0)
    log.store.on_commit(small.publish)
    await log.add(10)
    log.feed = small
    assert [event.number for event in await log.drain()] == list(range(1, 11))
    assert len(small._recent) == 3


async def test_a_filter_by_message_finds_its_deliveries(log: Log) -> None:
    """The id of the message or of one delivery."""
    await log.store.write_each(
        accept, Request((log.seeded.message("a@rcpt.test", "b@rcpt.test"),))
    )
    first, second = await log.drain()
    message = EventFilter(message=first.about.message)
    assert len(await log.feed.read_all(message, 10)) == 2
    delivery = EventFilter(message=second.about.delivery)
    assert await log.feed.read_all(delivery, 10) == [second]
    assert (await log.feed.read(0, 10, delivery))[0] == [second]


async def test_a_look_between_a_commit_and_its_announcement_loses_nothing(
    log: Log, tmp_path: Path
) -> None:
    """Ours, theirs, the look, our announcement, ours again: each number once."""
    late = Feed(log.store, 0)
    await log.add(3)
    ours, _ = await log.feed.read(0, 10, ALL)
    async with open_temp_store(tmp_path) as other:
        await other.write_each(accept, Request((log.seeded.message(),)))
    await late.look()
    late.publish(ours)
    log.feed = late
    assert [event.number for event in await log.drain()] == [1, 2, 3, 4]
    log.store.on_commit(late.publish)
    await log.add(1)
    assert [event.number for event in await log.drain(after=3)] == [4, 5]

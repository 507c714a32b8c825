"""Pages of the log while it grows."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from appliance.core.event import About, Event, EventFilter, EventType, NewEvent
from appliance.core.ids import SubAccountId
from appliance.flow.event_pages import EventPages
from appliance.flow.feed import Feed
from appliance.store.transaction import Tx
from tests.fakes.store import open_temp_store

ABOUT = About(SubAccountId(1), UUID(int=1), UUID(int=1), "a@x.example", "b@x.example")


def emit(tx: Tx, at_ns: int) -> None:
    """One more event, of that moment."""
    tx.emit(NewEvent(EventType.SENT, at_ns, ABOUT))


class BusyFeed(Feed):
    """A feed that has one event more after each look."""

    more: int = 0

    async def read(
        self, after: int, limit: int, wanted: EventFilter
    ) -> tuple[Sequence[Event], int]:
        """Another event is committed while the page is read."""
        page = await super().read(after, limit, wanted)
        if self.more:
            self.more -= 1
            await self._store.write(emit, 5)
        return page


async def test_what_comes_while_a_page_is_read_is_on_the_next(tmp_path: Path) -> None:
    """No number is passed over, with a span of time or without."""
    for number, wanted in enumerate((EventFilter(), EventFilter(since_ns=1))):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with open_temp_store(folder) as store:
            feed = BusyFeed(store, 0)
            store.on_commit(feed.publish)
            for at_ns in range(3):
                await store.write(emit, at_ns)
            feed.more = 4
            pages = EventPages(store, feed)
            seen: list[int] = []
            cursor = 0
            while cursor < pages.last_number:
                found, cursor = await pages.forward(wanted, cursor, 100)
                seen += [one.number for one in found]
            assert seen == list(range(1 + number, 8))

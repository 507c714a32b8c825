"""The log page by page, forward from a number or back from it.

A request looks at a bounded part of the log; the cursor that it gets says how far it
looked, be there something or not.
"""

from collections.abc import Sequence

from appliance.core.event import Event, EventFilter
from appliance.flow.feed import WINDOW, Feed
from appliance.store.database import Store
from appliance.store.events import first_number, list_events, span
from appliance.store.transaction import View

MAX_READS = 50  # windows of the log that one request may look through


class EventPages:
    """Pages of what is wanted."""

    def __init__(self, store: Store, feed: Feed) -> None:
        self._store = store
        self._feed = feed

    @property
    def last_number(self) -> int:
        """The greatest number in the log."""
        return self._feed.last_number

    async def forward(
        self, wanted: EventFilter, after: int, limit: int
    ) -> tuple[list[Event], int]:
        """Up to ``limit`` events behind a number; the number to go on behind.

        Raises:
            StoreUnavailable: the log could not be read.
        """
        last = self.last_number  # whatever comes meanwhile is behind the cursor
        low, high = await self._bounds(wanted, after)
        found: list[Event] = []
        cursor = max(after, low)
        for _ in range(MAX_READS):
            if len(found) == limit or cursor >= min(high, last):
                break
            events, cursor = await self._feed.read(cursor, limit - len(found), wanted)
            found += events
        return found, max(cursor, last) if cursor >= high else cursor

    async def back(
        self, wanted: EventFilter, before: int, limit: int
    ) -> tuple[list[Event], int | None]:
        """Up to ``limit`` events in front of a number, the newest of them first.

        And the number to go on in front of, None if there is nothing more.

        Raises:
            StoreUnavailable: the log could not be read.
        """
        low, high = await self._bounds(wanted, 0)
        found: list[Event] = []
        cursor = min(before, high + 1)
        for _ in range(MAX_READS):
            if len(found) == limit or cursor <= low + 1:
                break
            events, cursor = await self._store.read(
                _read_back, low, cursor, limit - len(found), wanted
            )
            found += events
        return found, cursor if cursor > low + 1 else None

    async def _bounds(self, wanted: EventFilter, after: int) -> tuple[int, int]:
        """The number before the first that may be wanted, and the last."""
        last = self.last_number
        if wanted.since_ns is not None or wanted.until_ns is not None:
            return await self._store.read(span, wanted)
        if after:  # who follows the log is not made to ask for its beginning
            return after, last
        return await self._store.read(first_number) - 1, last


def _read_back(
    view: View, low: int, before: int, limit: int, wanted: EventFilter
) -> tuple[Sequence[Event], int]:
    after = max(low, before - 1 - WINDOW)
    found = list_events(
        view, wanted, after=after, upto=before - 1, limit=limit, newest_first=True
    )
    return found, found[-1].number if len(found) == limit else after + 1

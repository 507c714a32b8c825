"""One numbered log of facts, read by everyone who wants to know.

Readers pull: each holds the number it has seen up to, asks for what comes
after, and waits when there is nothing. So there is no gap and no repeat by
construction, a slow reader costs nobody else anything, and nothing is queued
per reader.

The newest events are kept in memory as an unbroken run of numbers, so live
readers do not touch the disk. Older ones come from the log. Another process may
write too (the command line): its numbers are noticed when the heart tells to
look, and by the gap they leave before our own.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice

import trio

from appliance import failpoint
from appliance.core.event import Event, EventFilter
from appliance.store.database import Store
from appliance.store.events import last_number, list_events
from appliance.store.transaction import View

KEEP = 5_000  # events; about 5 MB
WINDOW = 20_000  # numbers looked at in one read: a rare kind must not block readers


class Feed:
    """The event log as its readers see it."""

    def __init__(self, store: Store, last: int) -> None:
        self._store = store
        self._last = last
        self._recent: deque[Event] = deque(maxlen=KEEP)
        self._news = trio.Event()

    @property
    def last_number(self) -> int:
        """The greatest number that is known to be on disk."""
        return self._last

    def publish(self, events: Sequence[Event]) -> None:
        """Let readers know of events that have just been committed, in order."""
        if not events:
            return
        failpoint.reach("feed.publish")
        if events[0].number != self._last + 1:
            # Another process wrote in between, or a look was faster: read the log.
            self._recent.clear()
        if events[-1].number > self._last:
            self._recent.extend(events)
            self._advance(events[-1].number)

    async def read(
        self, after: int, limit: int, wanted: EventFilter
    ) -> tuple[Sequence[Event], int]:
        """Up to ``limit`` wanted events after a number, and the number to go on from.

        The events may be none although the number moved on: then all that were
        looked at were not wanted.

        Raises:
            StoreUnavailable: the log could not be read.
        """
        recent = self._recent
        await trio.lowlevel.checkpoint()  # a reader in a loop blocks nobody
        if after >= self._last:
            return (), after
        if recent and after >= recent[0].number - 1:
            return _pick(recent, after, limit, wanted)
        return await self._store.read(_read_page, after, limit, wanted)

    async def read_all(self, wanted: EventFilter, limit: int) -> list[Event]:
        """The first ``limit`` wanted events there are.

        Raises:
            StoreUnavailable: the log could not be read.
        """
        return await self._store.read(list_events, wanted, limit=limit)

    async def wait(self, after: int) -> None:
        """Returns when the log has a number greater than ``after``."""
        while self._last <= after:
            await self._news.wait()

    async def look(self) -> None:
        """Looks at the log for numbers that this process did not write.

        Raises:
            StoreUnavailable: the log could not be read.
        """
        last = await self._store.read(last_number)
        if last > self._last:
            self._recent.clear()
            self._advance(last)  # memory begins anew behind this number

    def _advance(self, number: int) -> None:
        self._last = max(self._last, number)
        self._news.set()
        self._news = trio.Event()


def _pick(
    recent: Sequence[Event], after: int, limit: int, wanted: EventFilter
) -> tuple[Sequence[Event], int]:
    found: list[Event] = []
    cursor = after
    for event in _behind(recent, after):
        cursor = event.number
        if wanted.accepts(event):
            found.append(event)
            if len(found) == limit:
                break
    return found, cursor


def _behind(recent: Sequence[Event], after: int) -> Iterable[Event]:
    """Those behind a number; whoever keeps up is near the end, so search from there."""
    start = max(0, after + 1 - recent[0].number)
    count = len(recent) - start
    if count > start:
        return islice(recent, start, None)
    return reversed(list(islice(reversed(recent), count)))


def _read_page(
    view: View, after: int, limit: int, wanted: EventFilter
) -> tuple[Sequence[Event], int]:
    upto = min(last_number(view), after + WINDOW)
    found = list_events(view, wanted, after=after, upto=upto, limit=limit)
    return found, found[-1].number if len(found) == limit else max(after, upto)

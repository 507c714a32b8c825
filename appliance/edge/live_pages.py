"""Pages of frames behind a number: who wants the same at the same place shares one.

A page once made stays true, for the log never changes; one that went to the end of
the log is made anew when that has grown.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import trio

from appliance.core.event import Event, EventFilter
from appliance.edge.compression import Framer
from appliance.edge.live_forms import Form

PAGE = 100  # events
PAGE_BYTES = 32 * 1024  # unless one event alone is longer
_PAGES = 64  # that are kept: 2 MB
_FRAMES = 1000  # of one kind that are kept, of the newest events


class Feed(Protocol):
    """The event log as a subscriber pulls it."""

    @property
    def last_number(self) -> int:
        """The greatest number in the log."""

    async def read(
        self, after: int, limit: int, wanted: EventFilter
    ) -> tuple[Sequence[Event], int]:
        """Up to ``limit`` wanted events after a number; the number to go on from."""

    async def wait(self, after: int) -> None:
        """Returns when the log has a number greater than ``after``."""


@dataclass(frozen=True, slots=True)
class Want:
    """What a subscriber is sent."""

    wanted: EventFilter
    form: str
    deflated: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Whole frames, and the number to go on from behind them.

    ``end`` is what was the end of the log if the page went there, None if it is full.
    """

    data: bytes = field(repr=False)
    after: int
    end: int | None = None


class Pages:
    """The log as frames."""

    def __init__(self, feed: Feed, forms: Mapping[str, Form]) -> None:
        self._feed = feed
        self._forms = forms
        self._kept: OrderedDict[tuple[int, Want], Page] = OrderedDict()
        self._making: dict[tuple[int, Want], trio.Event] = {}
        self._shelves: dict[tuple[str, bool], _Shelf] = {}

    async def read(self, after: int, want: Want) -> Page:
        """The page behind a number; it may be empty and yet go on.

        Raises:
            StoreUnavailable: the log could not be read.
        """
        key = after, want
        while (making := self._making.get(key)) is not None:
            await making.wait()
            if key in self._kept:  # or it failed: then it is tried again
                return self._kept[key]
        page = self._kept.get(key)
        if page is not None and page.end in (None, self._feed.last_number):
            return page
        return await self._make(key)

    async def _make(self, key: tuple[int, Want]) -> Page:
        made = self._making[key] = trio.Event()
        try:
            page = await self._read(*key)
            if page.after > key[0]:
                self._kept[key] = page
                if len(self._kept) > _PAGES:
                    self._kept.popitem(last=False)
        finally:
            del self._making[key]
            made.set()
        return page

    async def _read(self, after: int, want: Want) -> Page:
        events, cursor = await self._feed.read(after, PAGE, want.wanted)
        end = cursor if len(events) < PAGE else None
        if not events:
            return Page(b"", cursor, end)
        frames = await self._shelf(want).frames(events, self._feed.last_number)
        size = 0
        for place, frame in enumerate(frames):
            size += len(frame)
            if place and size > PAGE_BYTES:
                return Page(b"".join(frames[:place]), events[place - 1].number)
        return Page(b"".join(frames), cursor, end)

    def _shelf(self, want: Want) -> "_Shelf":
        kind = want.form, want.deflated
        if kind not in self._shelves:
            self._shelves[kind] = _Shelf(self._forms[want.form], deflated=want.deflated)
        return self._shelves[kind]


class _Shelf:
    """The frames of one kind; those of new events are kept for whoever comes next."""

    def __init__(self, form: Form, *, deflated: bool) -> None:
        self._form = form
        self._framer = Framer(deflated=deflated)
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    async def frames(self, events: Sequence[Event], last: int) -> list[bytes]:
        """A frame for each event, empty for those that are not told."""
        made = {
            event.number: self._kept[event.number]
            for event in events
            if event.number in self._kept
        }
        missing = [event for event in events if event.number not in made]
        if missing:
            texts = await self._form.render(missing)
            for event, text in zip(missing, texts, strict=True):
                frame = self._framer.frame(text) if text else b""
                made[event.number] = frame
                if event.number > last - _FRAMES:
                    self._keep(event.number, frame)
        return [made[event.number] for event in events]

    def _keep(self, number: int, frame: bytes) -> None:
        self._kept[number] = frame
        if len(self._kept) > _FRAMES:
            self._kept.popitem(last=False)

"""An event log in memory, as the live door pulls it."""

from collections.abc import Sequence
from uuid import UUID

import trio

from appliance.core.event import About, Event, EventFilter, EventType
from appliance.core.ids import EventNumber, SubAccountId

OURS = SubAccountId(1)
MESSAGE = UUID(int=1)


class FakeFeed:
    """Numbers from 1; ``emit`` is what a commit does."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.broken = False
        self._news = trio.Event()

    @property
    def last_number(self) -> int:
        """The greatest number in the log."""
        return len(self.events)

    def emit(
        self,
        type_: EventType = EventType.SENT,
        *,
        sub_account: SubAccountId = OURS,
        message: UUID = MESSAGE,
        text: str = "",
    ) -> int:
        """Record one event; its number."""
        number = EventNumber(len(self.events) + 1)
        about = About(sub_account, message, UUID(int=number), "a@b", "c@d")
        self.events.append(Event(number, type_, 0, about, {"text": text}))
        self._news.set()
        self._news = trio.Event()
        return number

    async def read(
        self, after: int, limit: int, wanted: EventFilter
    ) -> tuple[Sequence[Event], int]:
        """A page that looks at no more than ``limit`` events."""
        await trio.lowlevel.checkpoint()
        if self.broken:
            raise LookupError("the log cannot be read")
        page = self.events[after : after + limit]
        return [event for event in page if wanted.accepts(event)], after + len(page)

    async def wait(self, after: int) -> None:
        """Returns when there is an event behind ``after``."""
        while self.last_number <= after:
            await self._news.wait()

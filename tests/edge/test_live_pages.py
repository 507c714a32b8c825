"""Pages of frames, shared by those who want the same."""

from collections.abc import Sequence

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.event import Event, EventFilter, EventType
from appliance.edge import live_pages
from appliance.edge.live_pages import PAGE, PAGE_BYTES, Pages, Want
from tests.fakes.feed import FakeFeed

ALL = Want(EventFilter(), "plain")
PRESSED = Want(EventFilter(), "plain", deflated=True)
SENT = Want(EventFilter(frozenset({EventType.SENT})), "plain")


class Plain:
    """A format that remembers what it worded; drops are not told."""

    def __init__(self) -> None:
        self.worded: list[int] = []

    async def render(self, events: Sequence[Event]) -> Sequence[str]:
        """The number and the text of each."""
        await trio.lowlevel.checkpoint()
        self.worded += [event.number for event in events]
        return [
            ""
            if event.type is EventType.DROPPED
            else f"{event.number} {event.data['text']}"
            for event in events
        ]


class House:
    """A log, a format and the pages of it."""

    def __init__(self) -> None:
        self.feed = FakeFeed()
        self.plain = Plain()
        self.pages = Pages(self.feed, {"plain": self.plain})


async def test_each_event_is_worded_once_for_all_who_want_it() -> None:
    """However many read, by whatever filter."""
    house = House()
    for _ in range(10):
        house.feed.emit()
    wants = [Want(EventFilter(tag=""), "plain"), SENT, ALL]
    pages = [await house.pages.read(after, want) for after in (0, 5) for want in wants]
    assert house.plain.worded == list(range(1, 11))
    assert pages[0] is pages[2]  # the same wish
    assert pages[0].data == pages[1].data


async def test_readers_who_come_at_once_wait_for_the_one_who_reads() -> None:
    """A thousand who come back together read the log once."""
    house = House()
    house.feed.emit()
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(house.pages.read, 0, ALL)
    assert house.plain.worded == [1]


async def test_a_reader_that_fails_leaves_the_page_to_the_next() -> None:
    """Nobody waits for ever."""
    house = House()
    house.feed.emit()
    house.feed.broken = True
    with pytest.raises(LookupError):
        await house.pages.read(0, ALL)
    house.feed.broken = False
    assert (await house.pages.read(0, ALL)).after == 1


async def test_compressed_readers_share_frames_of_their_own() -> None:
    """The two kinds are not mixed."""
    house = House()
    house.feed.emit(text="x" * 1000)
    plain, pressed = [await house.pages.read(0, want) for want in (ALL, PRESSED)]
    assert len(pressed.data) < 100 < len(plain.data)


async def test_what_a_format_does_not_tell_is_passed_over() -> None:
    """The number goes on all the same."""
    house = House()
    house.feed.emit(EventType.DROPPED)
    page = await house.pages.read(0, ALL)
    assert (page.data, page.after) == (b"", 1)


async def test_at_the_end_there_is_nothing_and_nothing_is_kept() -> None:
    """Or who asks next would miss what came meanwhile."""
    house = House()
    assert (await house.pages.read(0, ALL)).after == 0
    house.feed.emit()
    assert (await house.pages.read(0, ALL)).after == 1


@given(sizes=st.lists(st.sampled_from([1, 300, 20_000, 40_000]), max_size=130))
def test_pages_are_bounded_and_miss_nothing(sizes: list[int]) -> None:
    """By bytes too, unless a single event is longer; read in order they are the log."""

    async def main() -> None:
        house = House()
        for size in sizes:
            house.feed.emit(text="x" * size)
        numbers, after = 0, 0
        while after < house.feed.last_number:
            page = await house.pages.read(after, ALL)
            count = page.after - after
            assert 0 < count <= PAGE
            assert len(page.data) <= PAGE_BYTES or count == 1
            numbers, after = numbers + count, page.after
        assert numbers == len(sizes)

    trio.run(main)


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Old frames and pages are forgotten, and those of a replay not kept at all."""
    monkeypatch.setattr(live_pages, "_FRAMES", 10)
    house = House()
    for _ in range(500):
        house.feed.emit()
        await house.pages.read(house.feed.last_number - 1, ALL)
    await house.pages.read(0, SENT)
    (shelf,) = house.pages._shelves.values()
    assert list(shelf._kept) == list(range(491, 501))
    assert len(house.pages._kept) == 64

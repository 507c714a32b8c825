"""Subscribers who are told together."""

from collections.abc import AsyncIterator, Sequence

import pytest
import trio
import trio.testing

from appliance.core.event import Event, EventFilter, EventType
from appliance.edge import crowd
from appliance.edge.crowd import Crowd
from appliance.edge.live_pages import Page, Pages, Want
from tests.fakes.feed import FakeFeed

ALL = Want(EventFilter(), "plain")
SENT = Want(EventFilter(frozenset({EventType.SENT})), "plain")


class Plain:
    """The number, and no more."""

    async def render(self, events: Sequence[Event]) -> Sequence[str]:
        """One after the other."""
        return [str(event.number) for event in events]


class Member:
    """A subscriber that takes what it is offered, while it has room."""

    def __init__(self, want: Want = ALL, position: int = 0, room: int = 1000) -> None:
        self.want = want
        self.position = position
        self.room = room
        self.data = b""
        self.apart = False
        self.told = trio.Event()

    def offer(self, page: Page) -> bool:
        """Take it if there is room."""
        if len(page.data) > self.room:
            return False
        self.room -= len(page.data)
        self.data += page.data
        self.position = page.after
        self.told.set()
        return True


class House:
    """A log and those who follow it."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.feed = FakeFeed()
        self.crowd = Crowd(self.feed, Pages(self.feed, {"plain": Plain()}))
        self._nursery = nursery

    async def follow(self, *members: Member) -> None:
        """Let them join."""
        for member in members:
            self._nursery.start_soon(self._follow, member)
        await trio.testing.wait_all_tasks_blocked()

    async def tell(self) -> None:
        """A pass."""
        await self.crowd.run_once()
        await trio.testing.wait_all_tasks_blocked()

    async def _follow(self, member: Member) -> None:
        await self.crowd.follow(member)
        member.apart = True


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """A house for the time of a test."""
    async with trio.open_nursery() as nursery:
        yield House(nursery)
        nursery.cancel_scope.cancel()


async def test_all_are_told_what_each_wants(house: House) -> None:
    """In one pass, whatever number they are at."""
    members = [Member(), Member(SENT), Member()]
    await house.follow(*members)
    house.feed.emit(EventType.OPENED)
    house.feed.emit()
    await house.tell()
    assert [one.position for one in members] == [2, 2, 2]
    assert members[0].data == b"\x81\x011\x81\x012" == members[2].data
    assert members[1].data == b"\x81\x012"


async def test_who_has_no_room_is_served_apart(house: House) -> None:
    """Its number stays where it is; the others go on."""
    slow, quick = Member(room=2), Member()
    await house.follow(slow, quick)
    house.feed.emit()
    await house.tell()
    assert (slow.apart, slow.position) == (True, 0)
    assert (quick.apart, quick.position) == (False, 1)


async def test_who_is_behind_does_not_join(house: House) -> None:
    """What it has not seen would be told late."""
    house.feed.emit()
    late = Member()
    await house.follow(late)
    assert late.apart


async def test_a_fault_of_the_log_sends_everyone_to_look_for_themselves(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """Each then ends, or tries again, by its own rules."""
    members = [Member(), Member(SENT)]
    await house.follow(*members)
    house.feed.emit()
    house.feed.broken = True
    await house.tell()
    assert [one.apart for one in members] == [True, True]
    assert "live.pass_failed" in caplog.text


async def test_who_gives_up_is_no_longer_told(house: House) -> None:
    """A cancelled subscriber leaves nothing behind."""
    member = Member()
    with trio.CancelScope() as scope:
        scope.cancel()
        await house.crowd.follow(member)
    house.feed.emit()
    await house.tell()
    assert member.data == b""
    assert not house.crowd._members


async def test_under_load_a_pass_tells_several_events(
    house: House, autojump_clock: trio.testing.MockClock
) -> None:
    """The pause behind a pass gathers them; the first one does not wait."""
    del autojump_clock
    member = Member()
    await house.follow(member)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.crowd.run)
        await trio.sleep(1)
        began = trio.current_time()
        house.feed.emit()
        await member.told.wait()
        assert trio.current_time() == began
        for _ in range(10):
            house.feed.emit()
        await trio.sleep(0.01)
        assert member.position == 11
        nursery.cancel_scope.cancel()


async def test_what_comes_during_a_pass_is_told_to_those_behind(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At their turn; the others hear of it at their next."""
    monkeypatch.setattr(crowd, "_AT_A_TIME", 1)
    members = [Member() for _ in range(5)]
    for one in members:
        await house.follow(one)
    house.feed.emit()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.crowd.run_once)
        await members[1].told.wait()
        house.feed.emit()
    ahead = [one.position for one in members]
    assert ahead == sorted(ahead)
    assert (ahead[0], ahead[-1]) == (1, 2)
    await house.tell()
    assert {one.position for one in members} == {2}

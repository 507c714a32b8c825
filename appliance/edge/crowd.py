"""Subscribers who are up to date are told together, in one pass for all of them.

A task for each costs a thousand switches an event; a pass costs a system call each.
Whoever does not take all at once leaves the crowd and is served apart, with patience,
until it has caught up. Others have as long as a pass worked, between its parts and
in a pause behind it: under load a pass tells several events. What comes during a
pass is told to those whose turn is still to come, so nobody waits longer than from
one turn to the next.
"""

from collections.abc import Sequence
from typing import Protocol

import trio

from appliance import log as logs
from appliance.edge.live_pages import Feed, Page, Pages, Want

LEAST_PAUSE_SECONDS = 0.005
_AT_A_TIME = 100  # subscribers until others get their turn: some 2 milliseconds
_NO_PAGE = Page(b"", 0)

log = logs.get("live")


class Member(Protocol):
    """A subscriber."""

    position: int  # the number up to which it has been told

    @property
    def want(self) -> Want:
        """What it is sent."""

    def offer(self, page: Page) -> bool:
        """Take a page without waiting; False if it is to be served apart."""


class Crowd:
    """Those who have been told all there is."""

    def __init__(self, feed: Feed, pages: Pages) -> None:
        self._feed = feed
        self._pages = pages
        self._members: dict[Want, dict[Member, trio.Event]] = {}
        self._lent = 0.0  # seconds of this pass that others had

    async def follow(self, member: Member) -> None:
        """Be told with the others; returns when that no longer goes."""
        if member.position < self._feed.last_number:
            return
        left = trio.Event()
        self._members.setdefault(member.want, {})[member] = left
        try:
            await left.wait()
        finally:
            self._let_go(member)

    async def run(self) -> None:
        """Tell them what comes, for ever."""
        while True:
            last = self._feed.last_number
            owed = await self.run_once()
            await trio.sleep(max(LEAST_PAUSE_SECONDS, owed))
            await self._feed.wait(last)

    async def run_once(self) -> float:
        """One pass: tell everyone what there is; the seconds that are owed to others.

        That is as long as it worked, without what they have had in between.
        """
        self._lent = 0.0
        started = trio.current_time()
        for want, members in list(self._members.items()):
            try:
                await self._tell(want, list(members))
            except Exception:
                log.exception("live.pass_failed")
                for member in list(members):
                    self._let_go(member)
        both = trio.current_time() - started
        return both - 2 * self._lent

    async def _tell(self, want: Want, members: Sequence[Member]) -> None:
        for start in range(0, len(members), _AT_A_TIME):
            await self._tell_some(want, members[start : start + _AT_A_TIME])
            lent = trio.current_time()
            await trio.lowlevel.checkpoint()
            self._lent += trio.current_time() - lent

    async def _tell_some(self, want: Want, members: Sequence[Member]) -> None:
        group = self._members.get(want, {})
        last = self._feed.last_number
        behind, page = -1, _NO_PAGE  # most stand at the same number
        for member in members:
            while member in group and member.position < last:
                if member.position != behind:
                    behind = member.position
                    page = await self._pages.read(behind, want)
                if member in group and not member.offer(page):
                    self._let_go(member)

    def _let_go(self, member: Member) -> None:
        group = self._members.get(member.want, {})
        left = group.pop(member, None)
        if left is not None:
            left.set()
        if not group:
            self._members.pop(member.want, None)

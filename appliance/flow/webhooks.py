"""Tells endpoints of events: one lane for each, and who wakes them.

Lanes share the pages of the log and nothing else: each has its own connections, its
own number of requests at a time and its own breaker, so one that hangs holds up none.
"""

from collections.abc import Callable, Sequence
from functools import partial

import trio

from appliance.core.webhook import Endpoint, WebhookId
from appliance.flow.directory import DirectoryKeeper
from appliance.flow.feed import Feed
from appliance.flow.pace import Pace
from appliance.flow.webhook_lane import Lane, Means
from appliance.flow.webhook_pages import Pages
from appliance.flow.webhook_post import Habits
from appliance.log import get
from appliance.store.database import Store
from appliance.store.errors import StoreUnavailable
from appliance.store.webhook_tries import record_passes
from appliance.store.webhooks import list_endpoints

log = get("postroom.webhooks")

BEAT_SECONDS = 0.25
# Between two rounds of waking, so that thousands of endpoints cost little.
GAP_SECONDS = 0.02
GAP_PER_LANE_SECONDS = 0.001


class Webhooks:
    """All endpoints there are, kept up to date."""

    def __init__(
        self,
        store: Store,
        directory: DirectoryKeeper,
        feed: Feed,
        habits: Habits,
        clock: Callable[[], int],
    ) -> None:
        self.habits = habits
        self._store = store
        self._directory = directory
        self._feed = feed
        record = partial(record_passes, kept=habits.kept)
        self._means = Means(
            store, Pages(store, feed), habits, Pace(habits.max_rate), record, clock
        )
        self._lanes: dict[WebhookId, Lane] = {}
        self._gone: list[Lane] = []
        self._scopes: dict[WebhookId, trio.CancelScope] = {}
        self._generation = -1

    async def run(self) -> None:
        """Tells endpoints for as long as the process lives."""
        seen = -1
        async with trio.open_nursery() as nursery:
            while True:
                try:
                    started = await self.refresh()
                except StoreUnavailable as error:
                    log.warning("webhook.store_unavailable", error=error)
                    started = ()
                for lane in started:
                    self._start(nursery, lane)
                with trio.move_on_after(BEAT_SECONDS):
                    await self._feed.wait(seen)
                if self._feed.last_number > seen:
                    seen = self._feed.last_number
                    for lane in self._lanes.values():
                        lane.ring()
                lanes = len(self._lanes)
                await trio.sleep(GAP_SECONDS + GAP_PER_LANE_SECONDS * lanes)

    async def run_once(self, now_ns: int) -> float:
        """One pass over every endpoint; returns the seconds until the next one.

        Raises:
            StoreUnavailable: the disk does not play along.
        """
        await self.refresh()
        pauses: list[float] = []

        async def one(lane: Lane) -> None:
            pauses.append(await lane.run_once(now_ns))

        async with trio.open_nursery() as nursery:
            for lane in self._lanes.values():
                nursery.start_soon(one, lane)
        return min(pauses, default=BEAT_SECONDS)

    async def refresh(self) -> Sequence[Lane]:
        """Take in what changed about endpoints; the lanes that are new.

        Raises:
            StoreUnavailable: the disk does not play along.
        """
        generation = self._directory.current.generation
        if generation == self._generation:
            return ()
        found = await self._store.read(list_endpoints)
        self._generation = generation
        for id_ in self._lanes.keys() - {one.id for one in found}:
            self._forget(id_)
        return [lane for one in found if (lane := self._adopt(one)) is not None]

    async def aclose(self) -> None:
        """Close all connections, for those who call ``run_once``."""
        for lane in [*self._lanes.values(), *self._gone]:
            await lane.aclose()

    def _adopt(self, one: Endpoint) -> Lane | None:
        """A new lane if the endpoint needs one."""
        lane = self._lanes.get(one.id)
        if lane is not None and lane.endpoint.dialect == one.dialect:
            lane.adopt(one)
            return None
        if lane is not None:
            self._forget(one.id)
        lane = self._lanes[one.id] = Lane(one, self._means)
        return lane

    def _forget(self, id_: WebhookId) -> None:
        lane = self._lanes.pop(id_)
        scope = self._scopes.pop(id_, None)
        if scope is None:
            self._gone.append(lane)
        else:
            scope.cancel()

    def _start(self, nursery: trio.Nursery, lane: Lane) -> None:
        scope = trio.CancelScope()
        self._scopes[lane.endpoint.id] = scope

        async def run() -> None:
            with scope:
                await lane.run()

        nursery.start_soon(run)

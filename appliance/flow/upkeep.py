"""Forgets what is older than the settings say, a little at a time."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import trio

from appliance.log import get
from appliance.store.database import Store
from appliance.store.errors import StoreUnavailable
from appliance.store.retention import NEVER_NS, Place, prune, prune_bodies

log = get("postroom.upkeep")

BATCH = 500  # rows of each kind in one transaction: a few milliseconds
PAUSE_SECONDS = 600.0
NEXT_SECONDS = 0.2  # between two batches while there is more
SECOND_NS = 1_000_000_000
BODIES_NS = 3600 * SECOND_NS  # between two looks at all old messages
_FRONT: Place = (0, 0)


@dataclass(frozen=True, slots=True)
class Retention:
    """How long finished things are kept."""

    events_seconds: float
    messages_seconds: float
    idempotency_seconds: float
    untold_seconds: float = 0.0  # for endpoints that have not been told yet
    engagement_seconds: float = math.inf  # opens and clicks, as other events at most
    bodies_seconds: float = math.inf  # as messages at most


class Upkeep:
    """Prunes events and finished messages; unsent mail is never touched."""

    def __init__(
        self, store: Store, retention: Retention, clock: Callable[[], int]
    ) -> None:
        self._store = store
        self._retention = retention
        self._clock = clock
        self._place: Place = _FRONT  # how far bodies were looked at
        self._next_look_ns = 0

    async def run(self) -> None:
        """Prunes for as long as the process lives."""
        while True:
            try:
                pause = await self.run_once(self._clock())
            except StoreUnavailable as error:
                log.warning("upkeep.store_unavailable", error=error)
                pause = PAUSE_SECONDS
            await trio.sleep(pause)

    async def run_once(self, now_ns: int) -> float:
        """One batch; returns the seconds until the next one.

        Raises:
            StoreUnavailable: nothing was pruned.
        """
        pruned = await self._store.write(
            prune,
            now_ns,
            keep_events_ns=int(self._retention.events_seconds * SECOND_NS),
            keep_messages_ns=int(self._retention.messages_seconds * SECOND_NS),
            keep_keys_ns=int(self._retention.idempotency_seconds * SECOND_NS),
            keep_untold_ns=int(self._retention.untold_seconds * SECOND_NS),
            keep_engagement_ns=_ns(self._retention.engagement_seconds),
            batch=BATCH,
        )
        bodies = await self._prune_bodies(now_ns)
        if pruned.events or pruned.messages or bodies:
            log.info(
                "upkeep.pruned",
                events=pruned.events,
                messages=pruned.messages,
                bodies=bodies,
            )
        if pruned.suppressions:
            log.info("upkeep.suppressions_ended", suppressions=pruned.suppressions)
        more = pruned.more or self._place != _FRONT
        return NEXT_SECONDS if more else PAUSE_SECONDS

    async def _prune_bodies(self, now_ns: int) -> int:
        """One batch; all old messages are gone through from the front once an hour."""
        seconds = self._retention.bodies_seconds
        if seconds >= self._retention.messages_seconds or now_ns < self._next_look_ns:
            return 0
        before_ns = now_ns - _ns(seconds)
        emptied, place = await self._store.write(
            prune_bodies, before_ns, self._place, BATCH
        )
        if place is None:
            self._next_look_ns = now_ns + BODIES_NS
        self._place = place or _FRONT
        return emptied


def _ns(seconds: float) -> int:
    return min(NEVER_NS, int(seconds * SECOND_NS)) if seconds < math.inf else NEVER_NS

"""Forgets what is older than the settings say, a little at a time."""

from collections.abc import Callable
from dataclasses import dataclass

import trio

from appliance.log import get
from appliance.store.database import Store
from appliance.store.errors import StoreUnavailable
from appliance.store.retention import prune

log = get("postroom.upkeep")

BATCH = 500  # rows of each kind in one transaction: a few milliseconds
PAUSE_SECONDS = 600.0
NEXT_SECONDS = 0.2  # between two batches while there is more
SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Retention:
    """How long finished things are kept."""

    events_seconds: float
    messages_seconds: float
    idempotency_seconds: float


class Upkeep:
    """Prunes events and finished messages; unsent mail is never touched."""

    def __init__(
        self, store: Store, retention: Retention, clock: Callable[[], int]
    ) -> None:
        self._store = store
        self._retention = retention
        self._clock = clock

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
            batch=BATCH,
        )
        if pruned.events or pruned.messages:
            log.info("upkeep.pruned", events=pruned.events, messages=pruned.messages)
        if pruned.suppressions:
            log.info("upkeep.suppressions_ended", suppressions=pruned.suppressions)
        counts = (pruned.events, pruned.messages, pruned.keys, pruned.suppressions)
        more = BATCH in counts
        return NEXT_SECONDS if more else PAUSE_SECONDS

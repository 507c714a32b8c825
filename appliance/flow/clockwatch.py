"""Notices that the machine's clock was set back, and lets no mail wait for that.

Moments are kept by the wall clock, since they must outlive the process. What was due
at noon would wait a day if noon came again tomorrow. A clock that was set forward
only makes things due early, which harms nobody.
"""

from collections.abc import Callable

import trio

from appliance.log import get
from appliance.store.database import Store
from appliance.store.errors import StoreUnavailable
from appliance.store.shift import bring_forward, last_delivery

log = get("postroom.clock")

LOOK_SECONDS = 1.0
SECOND_NS = 1_000_000_000
TOLERANCE_NS = 60 * SECOND_NS  # what daemons correct by bits is not worth the work


class ClockWatch:
    """Compares the clock with one that cannot be set."""

    def __init__(
        self, store: Store, clock: Callable[[], int], steady: Callable[[], float]
    ) -> None:
        self._store = store
        self._clock = clock
        self._steady = steady
        self._lead_ns = self._measure()

    async def run(self) -> None:
        """Watches for as long as the process lives."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            try:
                await self.run_once()
            except StoreUnavailable as error:  # the next look sees the same
                log.warning("clock.store_unavailable", error=error)

    async def run_once(self) -> bool:
        """One look; True if the clock had been set back.

        Raises:
            StoreUnavailable: not all that waits could be moved.
        """
        lead_ns = self._measure()
        back_ns = self._lead_ns - lead_ns
        if back_ns < TOLERANCE_NS:
            self._lead_ns = max(self._lead_ns, lead_ns)
            return False
        log.warning("clock.set_back", seconds=back_ns // SECOND_NS)
        last, after = await self._store.read(last_delivery), 0
        now_ns = self._clock()
        while after < last:
            after = await self._store.write(bring_forward, after, now_ns, back_ns)
        self._lead_ns = lead_ns
        return True

    def _measure(self) -> int:
        """How far the clock is ahead of the one that cannot be set."""
        return self._clock() - int(self._steady() * SECOND_NS)

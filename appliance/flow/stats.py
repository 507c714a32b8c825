"""Keeps the counters behind the log: every few seconds, and before each answer.

It reads the log with a cursor of its own, like everybody, so that no mail waits for a
counter. Whoever asks has what is new counted first. The process may end at any point,
and several may count at once: the cursor moves in the transaction that counts.
"""

from collections.abc import Callable

import trio

from appliance.core.stats import HOUR_NS
from appliance.log import get
from appliance.store.database import Store
from appliance.store.errors import StoreUnavailable
from appliance.store.events import last_number
from appliance.store.stats import (
    count_held,
    counted_number,
    forget_hours,
    is_held_uncounted,
    read_tally,
    record_tally,
)

log = get("postroom.stats")

AT_A_TIME = 5_000  # numbers: read and counted in some 30 ms, beside the writer
PAUSE_SECONDS = 2.0
BREATH_SECONDS = 0.02  # between two, while there is more
HOURS_KEPT = 100 * 24  # days and months are kept for ever


class Statistics:
    """Counts what became known."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock
        self._turn = trio.Lock()
        self._forgot_ns = 0

    async def run(self) -> None:
        """Counts for as long as the process lives."""
        while True:
            try:
                pause = await self.run_once(self._clock())
            except StoreUnavailable as error:
                log.warning("stats.store_unavailable", error=error)
                pause = PAUSE_SECONDS
            await trio.sleep(pause)

    async def run_once(self, now_ns: int) -> float:
        """Counts a few thousand events; returns the seconds until the next pass.

        Raises:
            StoreUnavailable: nothing was counted.
        """
        async with self._turn:
            more = await self._count()
            await self._count_held()
        if not more and not 0 <= now_ns - self._forgot_ns < HOUR_NS:
            before = now_ns // HOUR_NS - HOURS_KEPT
            more = await self._store.write(forget_hours, before) > 0
            self._forgot_ns = 0 if more else now_ns
        return BREATH_SECONDS if more else PAUSE_SECONDS

    async def catch_up(self) -> None:
        """Returns when all that is known by now is counted.

        That may take long where very much is not; the caller sets the deadline.

        Raises:
            StoreUnavailable: it cannot be counted.
        """
        last = await self._store.read(last_number)
        async with self._turn:
            while await self._store.read(counted_number) < last:
                await self._count()
            await self._count_held()

    async def _count_held(self) -> None:
        if await self._store.read(is_held_uncounted):
            await self._store.write(count_held, self._clock() // HOUR_NS)

    async def _count(self) -> bool:
        """True if there is probably more."""
        tally = await self._store.read(read_tally, AT_A_TIME)
        if tally is None:
            return False
        await self._store.write(record_tally, tally)
        return tally.upto - tally.after == AT_A_TIME

"""Settles deliveries in doubt for which no evidence came in time."""

from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from appliance.core.delivery import Settlement
from appliance.core.doubt import Doubtful, Wish, conclude
from appliance.core.retry import RetryPlan, parse_retry_plan
from appliance.flow.directory import DirectoryKeeper
from appliance.log import get
from appliance.store.database import Store
from appliance.store.doubt import list_overdue, next_overdue_ns, settle_doubts
from appliance.store.errors import StoreUnavailable
from appliance.store.transaction import Tx

log = get("postroom.doubts")

BATCH = 500
IDLE_SECONDS = 1.0
SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Doubting:
    """What is done when the time for evidence is over."""

    wish: Wish = Wish.RESEND
    plan: RetryPlan = field(default=RetryPlan(()))


class Doubts:
    """The loop that ends doubts."""

    def __init__(
        self,
        store: Store,
        directory: DirectoryKeeper,
        doubting: Doubting,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._directory = directory
        self._doubting = doubting
        self._clock = clock

    async def run(self) -> None:
        """Settles for as long as the process lives."""
        while True:
            try:
                pause = await self.run_once(self._clock())
            except StoreUnavailable as error:
                log.warning("doubts.store_unavailable", error=error)
                pause = IDLE_SECONDS
            await trio.sleep(pause)

    async def run_once(self, now_ns: int) -> float:
        """One batch; returns the seconds until there may be another.

        Raises:
            StoreUnavailable: nothing was settled.
        """
        overdue = await self._store.read(list_overdue, now_ns, BATCH)
        if not overdue:
            due_ns = await self._store.read(next_overdue_ns)
            if due_ns is None:
                return IDLE_SECONDS
            return min(IDLE_SECONDS, max(0, due_ns - now_ns) / SECOND_NS)
        items = [
            conclude(one, self._doubting.wish, self._plan_of(one), now_ns)
            for one in overdue
        ]
        done = await self._store.write(_settle, items)
        log.info("doubts.settled", deliveries=done, policy=self._doubting.wish.value)
        return 0

    def _plan_of(self, one: Doubtful) -> RetryPlan:
        if one.provider is None:
            return self._doubting.plan
        provider = self._directory.current.providers.get(one.provider)
        if provider is None or not provider.retry_plan:
            return self._doubting.plan
        return parse_retry_plan(provider.retry_plan)


def _settle(tx: Tx, items: list[Settlement]) -> int:
    return sum(settle_doubts(tx, items))

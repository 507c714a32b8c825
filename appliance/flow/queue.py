"""The operator's hand in the queue: looks, counts, and acts a little at a time.

An act goes over the deliveries in the order in which they came in, some hundred
to a transaction, so that mail is taken in and sent meanwhile. It is about what
was there when it began: what comes in later is not met, so it ends. Cut off at
any moment it has done a part, and doing it again does the rest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from appliance.core.ids import DeliveryId, PoolId
from appliance.core.queue import By, Order, QueueFilter, Tally, Waiting
from appliance.store.database import Store
from appliance.store.pools import list_pools
from appliance.store.queue import (
    count_waiting,
    find_unknown,
    find_waiting,
    last_delivery,
    list_waiting,
)
from appliance.store.queue_moves import change_waiting

BATCH = 500  # deliveries in one transaction: some ten milliseconds
WAVE = 100_000  # deliveries that are found in one look at the whole queue


@dataclass(frozen=True, slots=True)
class Done:
    """What an act did so far, and the delivery to go on behind; None: all done."""

    tally: Tally
    next: DeliveryId | None = None


def _nobody() -> None:
    """No relay runs in this process; that of another one notices by itself."""


class QueueDesk:
    """Where commands and requests about the queue are carried out."""

    def __init__(
        self, store: Store, clock: Callable[[], int], ring: Callable[[], None] = _nobody
    ) -> None:
        self._store = store
        self._clock = clock
        self._ring = ring

    def now_ns(self) -> int:
        """The moment that ages of deliveries are counted from."""
        return self._clock()

    async def find_fault(self, wanted: QueueFilter) -> str:
        """What is wrong with the names in a filter, "" if nothing is."""
        return await self._store.read(find_unknown, wanted)

    async def find_pool(self, name: str) -> PoolId | str:
        """The pool that mail can be moved to by this name, or why there is none."""
        for pool in await self._store.read(list_pools):
            if pool.name == name:
                return pool.id if pool.members else f"pool {name} has no provider"
        return f"there is no pool {name}"

    async def look(
        self, wanted: QueueFilter, limit: int, *, after: int = 0
    ) -> Sequence[Waiting]:
        """At most ``limit`` deliveries behind the number ``after``, oldest first."""
        return await self._store.read(
            list_waiting, wanted, limit, now_ns=self._clock(), after=after
        )

    async def count(self, wanted: QueueFilter, by: By) -> tuple[int, dict[str, int]]:
        """How many there are, and how many of each kind, the most frequent first."""
        return await self._store.read(count_waiting, wanted, by)

    async def act(
        self,
        order: Order,
        *,
        after: int = 0,
        at_most: int | None = None,
        progress: Callable[[Tally], None] = lambda _: None,
    ) -> Done:
        """Carry out an order on what waits now behind the number ``after``.

        No more than ``at_most`` deliveries are looked at. The relay is told as
        soon as something may be due.

        Raises:
            StoreUnavailable: a part may be done.
        """
        last, tally, left = await self._store.read(last_delivery), Tally(), at_most
        while True:
            size = WAVE if left is None else min(WAVE, left)
            wave = await self._store.read(
                find_waiting, order.wanted, size, after=after, until=last
            )
            for start in range(0, len(wave), BATCH):
                tally += await self._change(order, wave[start : start + BATCH])
                progress(tally)
            if len(wave) < size:
                return Done(tally)
            after, left = wave[-1], None if left is None else left - size
            if left == 0:
                return Done(tally, after)

    async def _change(self, order: Order, part: Sequence[DeliveryId]) -> Tally:
        tally = await self._store.write(change_waiting, order, part, self._clock())
        if tally.changed:
            self._ring()
        return tally

"""What is in flight, and how it is recorded.

A delivery is in flight from its claim until its settlement is on disk. What an
upstream took must not be forgotten because the disk was full for a while: a
settlement that could not be written is kept and written later, its slot stays
taken, and it is never given back to the queue.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import trio

from appliance import failpoint
from appliance.core.delivery import Copy, Settlement
from appliance.core.ids import DeliveryId, ProviderId, SubAccountId
from appliance.core.in_flight import InFlight
from appliance.core.throttle import Fare
from appliance.log import get
from appliance.store import deliveries
from appliance.store.database import Store
from appliance.store.errors import StoreUnavailable

log = get("postroom.relay")

AGAIN_SECONDS = 1.0


def _free(_: Copy) -> Fare | None:
    """What a delivery takes where nothing is limited."""
    return None


class Ledger:
    """The deliveries that are the relay's at the moment."""

    def __init__(
        self,
        store: Store,
        settled: Callable[[], None],
        fare_of: Callable[[Copy], Fare | None] = _free,
    ) -> None:
        """``fare_of`` tells what a delivery took of limits, None for nothing."""
        self._store = store
        self._settled = settled
        self._fare_of = fare_of
        self._flying: dict[DeliveryId, Copy] = {}
        self._deliveries: Counter[tuple[ProviderId, SubAccountId]] = Counter()
        self._bytes_of: Counter[SubAccountId] = Counter()
        self._fares: dict[DeliveryId, Fare] = {}
        self._fares_of: Counter[Fare] = Counter()
        self._on_the_way = 0  # settlements that the store has and not yet written
        self._unrecorded: list[Settlement] = []
        self._written = trio.Event()  # the next settlement, or could not be
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._flying)

    @property
    def unrecorded(self) -> int:
        """How many outcomes are known and could not be written yet."""
        return len(self._unrecorded)

    @property
    def in_flight(self) -> InFlight:
        """Whose deliveries are in flight, and where, at this moment."""
        return InFlight(+self._deliveries, +self._bytes_of, +self._fares_of)

    def open(self, copies: Sequence[Copy]) -> None:
        """Take claimed deliveries in."""
        for copy in copies:
            self._flying[copy.id] = copy
            fare = self._fare_of(copy)
            if fare is not None:
                self._fares[copy.id] = fare
            self._count(copy, 1)

    def settle(self, settlement: Settlement) -> None:
        """Have a settlement written with the next commit.

        If it is no try, nothing went, and what it took of limits is given back.
        """
        copy = self._flying[settlement.delivery]
        if settlement.attempts == copy.attempts:
            settlement = replace(settlement, fare=self._fares.get(copy.id))
        self._on_the_way += 1
        done = partial(self._on_written, settlement)
        self._store.write_later(deliveries.settle, settlement, done)

    def record_again(self) -> None:
        """Have written what could not be written before."""
        waiting, self._unrecorded = self._unrecorded, []
        if waiting:
            log.warning("relay.unrecorded", deliveries=len(waiting))
        for settlement in waiting:
            self.settle(settlement)

    async def close(self, now_ns: int, at_most: float) -> None:
        """Write what can be written in that time; release what was not tried."""
        with trio.move_on_after(at_most):
            self.record_again()
            while self._on_the_way or self._unrecorded:
                if self._on_the_way:
                    await self._written.wait()
                else:
                    await trio.sleep(AGAIN_SECONDS)
                    self.record_again()
        known = {settlement.delivery for settlement in self._unrecorded}
        left = [delivery for delivery in self._flying if delivery not in known]
        try:
            if left:
                taken = [self._fares[one] for one in left if one in self._fares]
                await self._store.write(deliveries.release, left, now_ns, taken)
                log.info("relay.released", deliveries=len(left))
        except StoreUnavailable as error:  # the next start finds them
            log.warning("relay.store_unavailable", error=error)

    def _on_written(self, settlement: Settlement, result: object) -> None:
        self._on_the_way -= 1
        self._written.set()
        self._written = trio.Event()
        failpoint.reach("settle.after_commit")
        if isinstance(result, Exception):
            if not self._unrecorded:  # one line for all that meet the same fate
                log.warning("relay.not_recorded", error=result)
            self._unrecorded.append(settlement)
            return
        copy = self._flying.pop(settlement.delivery)
        self._count(copy, -1)
        self._fares.pop(copy.id, None)
        self._settled()

    def _count(self, copy: Copy, one: int) -> None:
        self._deliveries[copy.provider, copy.sub_account] += one
        self._bytes_of[copy.sub_account] += one * copy.size_bytes
        self.size_bytes += one * copy.size_bytes
        if copy.id in self._fares:
            self._fares_of[self._fares[copy.id]] += one

"""Looks again, in the background, at what sender domains publish in the DNS.

A record that is not verified is looked at every ten minutes, a verified one daily;
when that is due follows from what is stored, so a restart changes nothing. However
many are due, as after a long standstill, a few at a time are looked up: no resolver
is run over, and the others wait for seconds.
"""

from collections.abc import Callable, Sequence

import trio

from appliance.core.domain import Record
from appliance.core.ids import DomainId
from appliance.flow.verification import Lookup, look_up
from appliance.log import get
from appliance.store.database import Store
from appliance.store.domain_checks import (
    Due,
    Noted,
    due_records,
    next_look_ns,
    note_looks,
)
from appliance.store.domain_keys import KeyName, outlived_keys, remove_idle_key
from appliance.store.errors import StoreUnavailable
from appliance.store.transaction import Tx

log = get("postroom.rechecks")

BATCH = 20  # look-ups that are under way at a time
FIRST_SECONDS = 10.0  # a start has better things to do
NEXT_SECONDS = 1.0  # between two batches while more is due
GATHER_SECONDS = 10.0  # what is due within them is looked up together
IDLE_SECONDS = 60.0  # others may have added a domain meanwhile
SECOND_NS = 1_000_000_000


class Rechecks:
    """The loop that keeps verification true, and ends the rest of retired keys."""

    def __init__(
        self,
        store: Store,
        make_resolver: Callable[[], Lookup],
        *,
        dns_seconds: float,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._make_resolver = make_resolver
        self._dns_seconds = dns_seconds
        self._clock = clock

    async def run(self) -> None:
        """Looks for as long as the process lives."""
        await trio.sleep(FIRST_SECONDS)
        while True:
            try:
                pause = await self.run_once(self._clock())
            except StoreUnavailable as error:
                log.warning("rechecks.store_unavailable", error=error)
                pause = IDLE_SECONDS
            await trio.sleep(pause)

    async def run_once(self, now_ns: int) -> float:
        """One batch of looks; returns the seconds until the next one.

        Raises:
            StoreUnavailable: what was seen is not noted, and will be looked at again.
        """
        due = await self._store.read(due_records, now_ns, BATCH)
        if due:
            await self._look(due, now_ns)
        await self._clear(now_ns)
        if len(due) == BATCH:
            return NEXT_SECONDS
        next_ns = await self._store.read(next_look_ns, now_ns)
        if next_ns is None:
            return IDLE_SECONDS
        return min(IDLE_SECONDS, max(GATHER_SECONDS, (next_ns - now_ns) / SECOND_NS))

    async def _look(self, due: Sequence[Due], now_ns: int) -> None:
        records = [one.record for one in due]
        resolver = self._make_resolver()
        findings = await look_up(resolver, records, now_ns, self._dns_seconds)
        looks = [
            (one.domain, finding.look)
            for one, finding in zip(due, findings, strict=True)
        ]
        noted = await self._store.write(note_looks, looks)
        _tell(noted, {one.domain: one.name for one in due})

    async def _clear(self, now_ns: int) -> None:
        """Retired keys go for good once mail that they signed has arrived."""
        outlived = await self._store.read(outlived_keys, now_ns)
        if outlived:
            for key in await self._store.write(_remove, outlived):
                log.info("domain.key_gone", domain=key.name, selector=key.selector)


def _remove(tx: Tx, outlived: Sequence[KeyName]) -> list[KeyName]:
    return [one for one in outlived if remove_idle_key(tx, one.domain, one.selector)]


def _tell(noted: Noted, names: dict[DomainId, str]) -> None:
    for domain, before, after in noted.records:
        _tell_of(names[domain], before, after)
    for key in noted.promoted:
        log.info("domain.signs_anew", domain=key.name, selector=key.selector)


def _tell_of(domain: str, before: Record, after: Record) -> None:
    keys = {"domain": domain, "record": after.purpose.value, "host": after.host}
    if after.verified and not before.verified:
        log.info("domain.record_verified", **keys)
    elif before.verified and not after.verified:
        log.warning("domain.record_lost", **keys, failure=after.failure)
    elif after.misses:
        log.warning(
            "domain.record_missing", **keys, misses=after.misses, failure=after.failure
        )
    else:
        log.info("domain.record_back", **keys)

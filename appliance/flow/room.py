"""Is there room for more mail? Asked before mail comes in, not after 50 MB of it.

The disk is looked at ten times a second at most, which is less than it takes to fill
what must be left; the length of the queue now and then, for mail that nobody takes
off our hands fills any disk in the end.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import trio

from appliance.core.refusal import Reason, Refusal
from appliance.log import get
from appliance.store.database import Store
from appliance.store.deliveries import queue_reaches
from appliance.store.errors import StoreUnavailable

log = get("postroom.room")

LOOK_SECONDS = 1.0
_FRESH_SECONDS = 0.1

NO_DISK = Refusal(Reason.STORE_UNAVAILABLE, "disk", "The disk is full, try later")
NO_QUEUE = Refusal(Reason.STORE_UNAVAILABLE, "queue", "The queue is full, try later")


@dataclass(frozen=True, slots=True)
class Floor:
    """What must be left: bytes of the disk, and deliveries that may wait at most."""

    free_bytes: int
    max_queued: int


class Room:
    """Disk and queue, as they are."""

    def __init__(
        self,
        store: Store,
        floor: Floor,
        free_bytes: Callable[[], int],
    ) -> None:
        self._store = store
        self._floor = floor
        self._free_bytes = free_bytes
        self._queue_is_full = False
        self._closed = False

    def refusal(self, size_bytes: int = 0) -> Refusal | None:
        """Why mail of that size cannot be taken in now, None if it can."""
        if self._free_bytes() - size_bytes < self._floor.free_bytes:
            return NO_DISK
        return NO_QUEUE if self._queue_is_full else None

    async def run(self) -> None:
        """Looks for as long as the process lives."""
        while True:
            pause = await self.run_once()
            await trio.sleep(pause)

    async def run_once(self) -> float:
        """One look; returns the seconds until the next one."""
        try:
            self._queue_is_full = await self._store.read(
                queue_reaches, self._floor.max_queued
            )
        except StoreUnavailable as error:
            log.warning("room.store_unavailable", error=error)
        self._tell(self.refusal())
        return LOOK_SECONDS

    def _tell(self, refusal: Refusal | None) -> None:
        if (refusal is not None) != self._closed:
            self._closed = refusal is not None
            if refusal is not None:
                log.warning("room.none_left", why=refusal)
            else:
                log.info("room.again")


def free_bytes_of(folder: Path) -> Callable[[], int]:
    """A measure of what the disk under ``folder`` still takes from us."""
    name = str(folder)
    known, until = 0, 0.0

    def measure() -> int:
        nonlocal known, until
        now = time.monotonic()
        if now >= until:
            found = os.statvfs(name)
            known, until = found.f_bavail * found.f_frsize, now + _FRESH_SECONDS
        return known

    return measure

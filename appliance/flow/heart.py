"""Notices what other processes wrote into the database, such as the command line.

A look costs next to nothing (``PRAGMA data_version``). What memory holds is
brought up to date, the feed learns of new numbers, the relay of new mail.
"""

from collections.abc import Callable

import trio

from appliance.flow.directory import DirectoryKeeper
from appliance.flow.feed import Feed
from appliance.log import get
from appliance.store.database import Store
from appliance.store.errors import StoreUnavailable

log = get("postroom.heart")

BEAT_SECONDS = 0.25


class Heart:
    """Feels the pulse of the store, four times a second."""

    def __init__(
        self,
        store: Store,
        directory: DirectoryKeeper,
        feed: Feed,
        ring: Callable[[], None],
    ) -> None:
        self._store = store
        self._directory = directory
        self._feed = feed
        self._ring = ring
        self._last = -1

    async def run(self) -> None:
        """Beats for as long as the process lives."""
        while True:
            await trio.sleep(BEAT_SECONDS)
            try:
                await self.run_once()
            except StoreUnavailable as error:
                log.warning("heart.store_unavailable", error=error)

    async def run_once(self) -> None:
        """One look; passes on what changed.

        Raises:
            StoreUnavailable: the disk does not play along.
        """
        pulse = await self._store.pulse()
        if pulse.data == self._last:
            return
        self._last = pulse.data
        await self._directory.refresh(pulse)
        await self._feed.look()
        self._ring()

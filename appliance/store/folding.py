"""Carries pages from the write-ahead log to the file, beside the one who writes.

SQLite lets the commit that finds the log long do this, and all who wait for a commit
wait for it: tens of milliseconds every second under load. A connection of its own does
most of it meanwhile, so that little is left to that commit. It never waits for anybody
and nobody for it.
"""

import sqlite3
from contextlib import suppress

import trio

from appliance.store.bridge import Connection

PAUSE_SECONDS = 0.25


class Folding:
    """The loop that does it a moment after something was written."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._news = trio.Event()
        self._open = trio.CancelScope()

    def written(self) -> None:
        """Tell that there was a commit."""
        self._news.set()

    async def run(self) -> None:
        """Fold until ``close``; an idle house does not touch its disk."""
        with self._open:
            while True:
                await self._news.wait()
                await trio.sleep(PAUSE_SECONDS)
                self._news = trio.Event()
                await self.run_once()

    async def run_once(self) -> None:
        """Fold what is committed by now, as far as nobody reads what it replaces."""
        with suppress(sqlite3.Error):  # a later look, a commit or the close does it
            await self._connection.transact(_fold)

    def close(self) -> None:
        """Let ``run`` end."""
        self._open.cancel()


def _fold(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

"""Carries pages from the write-ahead log to the file, beside the one who writes.

SQLite lets the commit that finds the log long do this, and all who wait for a commit
wait for it: tens of milliseconds every second under load. A connection of its own does
most of it meanwhile, so that little is left to that commit. It never waits for anybody
and nobody for it.
"""

import sqlite3
from collections.abc import Callable
from contextlib import suppress

import trio

from appliance.store.bridge import Connection

PAUSE_SECONDS = 0.25


class Folding:
    """The loop that does it while anything is written."""

    def __init__(self, connection: Connection, commits: Callable[[], int]) -> None:
        """``commits`` tells how many there were."""
        self._connection = connection
        self._commits = commits
        self._folded = commits()
        self._open = trio.CancelScope()

    async def run(self) -> None:
        """Fold until ``close``."""
        with self._open:
            while True:
                await trio.sleep(PAUSE_SECONDS)
                await self.run_once()

    def close(self) -> None:
        """Let ``run`` end."""
        self._open.cancel()

    async def run_once(self) -> bool:
        """One look; True if there was something to fold."""
        commits = self._commits()
        if commits == self._folded:
            return False
        self._folded = commits
        with suppress(sqlite3.Error):  # a later look, a commit or the close does it
            await self._connection.transact(_fold)
        return True


def _fold(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

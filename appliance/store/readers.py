"""Reading beside the writer: a few connections that see what is committed."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar

import trio

from appliance.store.bridge import Connection
from appliance.store.errors import unavailable
from appliance.store.sealed import Sealer
from appliance.store.transaction import View

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Pulse:
    """Three numbers that tell whether anything changed, whichever process wrote.

    ``data`` differs after any commit; ``configuration`` grows when rows of the
    directory change, ``suppressions`` when a suppression does.
    """

    data: int
    configuration: int
    suppressions: int


class Readers:
    """Connections that are lent to one reading function at a time."""

    def __init__(self, connections: Sequence[Connection], sealer: Sealer) -> None:
        self._free = list(connections)
        self._limit = trio.Semaphore(len(connections))
        self._sealer = sealer

    async def read(
        self, fn: Callable[Concatenate[View, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """The answer of ``fn(view, ...)``, which sees one moment throughout."""

        def in_snapshot(db: sqlite3.Connection) -> R:
            db.execute("BEGIN")
            try:
                return fn(View(db, self._sealer), *args, **kwargs)
            finally:
                if db.in_transaction:  # some errors have ended it already
                    db.execute("ROLLBACK")

        async with self._limit:
            connection = self._free.pop()
            try:
                return await connection.transact(in_snapshot)
            except sqlite3.Error as error:
                raise unavailable(error) or error from None
            finally:
                self._free.append(connection)


class Watcher:
    """Feels the pulse over a connection of its own.

    ``PRAGMA data_version`` is relative to a connection and costs no read of
    the file; the row behind it is read only after a change.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last = Pulse(-1, -1, -1)

    async def pulse(self) -> Pulse:
        """The pulse now."""
        try:
            self._last = await self._connection.transact(_pulse, self._last)
        except sqlite3.Error as error:
            raise unavailable(error) or error from None
        return self._last


def _pulse(db: sqlite3.Connection, last: Pulse) -> Pulse:
    (data,) = db.execute("PRAGMA data_version").fetchone()
    if data == last.data:
        return last
    row = db.execute("SELECT configuration, suppressions FROM meta").fetchone()
    return Pulse(data, *row)

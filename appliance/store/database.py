"""Opens the database and closes it in order."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import trio

from appliance.core.event import Event
from appliance.store.bridge import Connection, connect
from appliance.store.connection import (
    connect_folder,
    connect_reader,
    connect_writer,
    ensure_file,
    wait_for_others,
)
from appliance.store.errors import StoreUnavailable, unavailable
from appliance.store.folding import Folding
from appliance.store.migrations import check_sealing, migrate
from appliance.store.readers import Pulse, Readers, Watcher
from appliance.store.sealed import Sealer
from appliance.store.transaction import Tx, View
from appliance.store.writer import Writer

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")

READERS = 2


class Store:
    """The database: one writer with group commit, readers beside it.

    Bodies are rows of a table of their own, large ones too. Mails per second
    written durably, by ``perf/bench_bodies.py`` (short runs, two shared cores):

    ============ ======== ============ ========= =================
    body         a commit own table    one file  appended segment
    ============ ======== ============ ========= =================
    5 KB         1        5,590        1,631     2,352
    5 KB         20       34,619       1,612     24,624
    50 KB        1        2,908        896       1,833
    50 KB        20       3,859        1,101     6,129
    1 MB         1        213          281       423
    1 MB         5        219          251       473
    ============ ======== ============ ========= =================

    Files win only at 1 MB, by a sixth to a third, since SQLite writes a body
    twice (log, then file). That is not worth a second kind of durability: with
    one file a crash, a backup and a restore see message and body together, and
    deleting needs no sweep for orphans. A segment is faster from 50 KB on, at
    the price of a compactor; the relay takes no 200 mails of 1 MB a second.
    """

    def __init__(self, writer: Writer, readers: Readers, watcher: Watcher) -> None:
        self._writer = writer
        self._readers = readers
        self._watcher = watcher

    async def write(
        self, fn: Callable[Concatenate[Tx, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """The result of ``fn(tx, ...)``; what it wrote is on disk.

        If the task is cancelled while the call still waits for its commit,
        nothing is written; if it is cancelled later, the result is returned
        and the next checkpoint raises. The caller sets the deadline.

        Raises:
            StoreUnavailable: the disk does not play along; nothing was written.
        """
        return await self._writer.write(fn, *args, **kwargs)

    async def write_each(
        self, fn: Callable[[Tx, Sequence[T]], Sequence[R]], item: T, size_bytes: int = 0
    ) -> R:
        """The result for ``item`` of a function that writes many at once.

        ``fn(tx, items)`` runs once per commit, over the items of all who wait
        with the same function, and gives one result for each, in order.
        ``size_bytes`` is the weight of a heavy item. Otherwise as ``write``.

        Raises:
            StoreUnavailable: the disk does not play along; nothing was written.
        """
        return await self._writer.write_each(fn, item, size_bytes)

    def write_later(
        self,
        fn: Callable[[Tx, Sequence[T]], Sequence[R]],
        item: T,
        done: Callable[[R | Exception], None],
    ) -> None:
        """As ``write_each`` for a caller that does not wait.

        After the commit ``done`` is called in the trio thread with the result
        or the error (``StoreUnavailable`` among them); it must not raise. A
        caller bounds its open items by giving a slot free in ``done`` only.

        Raises:
            StoreUnavailable: too much waits already, or the store is closed.
        """
        self._writer.write_later(fn, item, done)

    async def read(
        self, fn: Callable[Concatenate[View, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """The answer of ``fn(view, ...)`` about one moment of the database.

        Raises:
            StoreUnavailable: the disk does not play along.
        """
        return await self._readers.read(fn, *args, **kwargs)

    async def pulse(self) -> Pulse:
        """Whether anything changed, whichever process wrote; costs next to nothing.

        Raises:
            StoreUnavailable: the disk does not play along.
        """
        return await self._watcher.pulse()

    @property
    def takes_writes(self) -> bool:
        """True unless the disk did not play along when last written to."""
        return self._writer.healthy

    def on_commit(self, listener: Callable[[tuple[Event, ...]], None]) -> None:
        """Call ``listener`` with the events of each commit that this store makes.

        It runs in the trio thread after the commit and before those who waited
        for the commit go on. It must not raise: that ends the store.
        """
        self._writer.listeners.append(listener)


@asynccontextmanager
async def open_store(path: Path, *, sealing_key: bytes) -> AsyncIterator[Store]:
    """A store over the file at ``path``, made and brought up to date if need be.

    On leaving, what was handed in is written, and the write-ahead log is folded
    into the file. Other processes may have the same file open.

    Raises:
        StoreUnavailable: the file cannot be opened or written.
        NewerDatabaseError: the file is from a newer program.
        WrongSealingKeyError: the file was made with another sealing key.
    """
    sealer = Sealer(sealing_key)
    failure: BaseException | None = None
    async with AsyncExitStack() as stack:
        writing = await stack.enter_async_context(
            _opened(partial(_open_writer, path, sealer))
        )
        stack.push_async_callback(_checkpoint, writing)
        reading = [
            await stack.enter_async_context(_opened(partial(connect_reader, path)))
            for _ in range(READERS + 1)
        ]
        beside = await stack.enter_async_context(_opened(partial(connect_folder, path)))
        folding = Folding(beside)
        writer = Writer(writing, sealer, folding.written)
        store = Store(writer, Readers(reading[1:], sealer), Watcher(reading[0]))
        async with trio.open_nursery() as nursery:
            await nursery.start(writer.run)
            nursery.start_soon(folding.run)
            try:
                yield store
            except BaseException as error:  # noqa: BLE001  raised again below, bare
                failure = error
            finally:
                writer.close()
                folding.close()
        if failure is not None:
            raise failure


@asynccontextmanager
async def _opened(
    connector: Callable[[], sqlite3.Connection],
) -> AsyncIterator[Connection]:
    try:
        await (connection := connect(connector))
    except (sqlite3.Error, OSError) as error:
        raise unavailable(error) or StoreUnavailable(str(error)) from error
    try:
        yield connection
    finally:
        await connection.close()


def _open_writer(path: Path, sealer: Sealer) -> sqlite3.Connection:
    ensure_file(path)
    db = connect_writer(path)
    try:
        migrate(db)
        check_sealing(db, sealer)
        wait_for_others(db, 0)  # who waits says so: see begin_patiently
    except BaseException:
        db.close()
        raise
    return db


async def _checkpoint(connection: Connection) -> None:
    """Fold the log into the file; if it cannot be now, the next opening does it."""
    with trio.CancelScope(shield=True), suppress(sqlite3.Error):
        await connection.transact(_fold)


def _fold(db: sqlite3.Connection) -> None:
    # Whoever is busy folds it later.
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

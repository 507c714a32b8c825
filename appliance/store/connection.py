"""How a connection to the database file is set up.

The file is readable by its owner only; SQLite gives ``-wal`` and ``-shm`` the
mode of the file. Nothing here may open and close the file by itself: closing
any descriptor of it would drop the locks of every connection in the process
(POSIX locks; sqlite.org/howtocorrupt.html 2.2).
"""

import os
import sqlite3
import stat
from pathlib import Path

# 32 MB: a page that many commits wrote goes to the file once, not once for each 4 MB.
_WAL_PAGES = 8_000
BUSY_TIMEOUT_MS = 5_000
PAGE_BYTES = 4096  # PERFORMANCE.md: 8 and 16 KB are no better
_FILE_MODE = 0o600
_STATEMENTS = 256
_WRITER_CACHE_KB = 16_384
_READER_CACHE_KB = 4_096


def ensure_file(path: Path) -> None:
    """Make ``path`` exist, readable and writable by its owner alone."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _FILE_MODE))
    except FileExistsError:
        if stat.S_IMODE(path.stat().st_mode) & ~_FILE_MODE:
            path.chmod(_FILE_MODE)


def connect_writer(path: Path) -> sqlite3.Connection:
    """A connection that may write; each commit is on disk when it returns."""
    # A light transaction is written by the event loop's thread: see commit.py. Never
    # are two threads at it together: there is one task that writes.
    db = _connect(path, check_same_thread=False)
    # Both count only before the first table: page size, and free pages that can
    # be given back to the file system without a rebuild of the whole file.
    db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA temp_store = MEMORY")
    db.execute(f"PRAGMA cache_size = -{_WRITER_CACHE_KB}")
    return db


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write."""
    db = _connect(path)
    db.execute("PRAGMA query_only = ON")
    db.execute("PRAGMA temp_store = MEMORY")
    db.execute(f"PRAGMA cache_size = -{_READER_CACHE_KB}")
    return db


def connect_folder(path: Path) -> sqlite3.Connection:
    """A connection that folds the log into the file, and writes nothing itself."""
    db = _connect(path)
    db.execute("PRAGMA synchronous = FULL")
    return db


def begin_patiently(db: sqlite3.Connection) -> None:
    """Begin to write, waiting for another process that does, up to BUSY_TIMEOUT_MS."""
    try:
        db.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        wait_for_others(db, BUSY_TIMEOUT_MS)
        try:
            db.execute("BEGIN IMMEDIATE")
        finally:
            wait_for_others(db, 0)


def wait_for_others(db: sqlite3.Connection, at_most_ms: int) -> None:
    """How long a statement waits for another connection's lock before it fails."""
    db.execute(f"PRAGMA busy_timeout = {at_most_ms}")


def _connect(path: Path, *, check_same_thread: bool = True) -> sqlite3.Connection:
    db = sqlite3.connect(
        path,
        isolation_level=None,
        cached_statements=_STATEMENTS,
        check_same_thread=check_same_thread,
    )
    wait_for_others(db, BUSY_TIMEOUT_MS)
    return db

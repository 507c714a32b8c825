"""What can go wrong with a database, told apart by who can do something about it.

A conflict between rows is no error here: functions return it as a value.
"""

import sqlite3

_PRIMARY_CODE = 0xFF  # an extended result code keeps the primary one in its low byte
_OF_THE_DISK = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    }
)


class StoreError(Exception):
    """The base of everything that this floor raises on purpose."""


class StoreUnavailable(StoreError):  # noqa: N818  a state, like trio.Cancelled
    """The disk or the file does not play along right now; nothing was stored.

    ``full`` is true when there was no room: a smaller write may still fit.
    """

    def __init__(self, detail: str, *, full: bool = False) -> None:
        super().__init__(detail)
        self.full = full


class NewerDatabaseError(StoreError):
    """The file was written by a newer program, whose tables this one cannot know."""


class WrongSealingKeyError(StoreError):
    """The key given does not open what is sealed in this database."""


def unavailable(error: Exception) -> StoreUnavailable | None:
    """What ``error`` means if the disk or the file is to blame, else None."""
    if isinstance(error, StoreUnavailable):
        return StoreUnavailable(str(error), full=error.full)
    if not isinstance(error, sqlite3.Error):
        return None
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
    if code not in _OF_THE_DISK:
        return None
    return StoreUnavailable(str(error), full=code == sqlite3.SQLITE_FULL)

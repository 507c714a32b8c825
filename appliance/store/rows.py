"""Many rows in few steps.

SQLite's module gives the interpreter away at every step of a statement and has
to win it back from busy threads; a statement for 64 rows has one step where
``executemany`` has 64. Under load that is the greater part of a commit's time.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TypeAlias

import msgspec

Value: TypeAlias = int | str | bytes | bytearray | None
Row: TypeAlias = tuple[Value, ...]

_ids = msgspec.json.Decoder(list[int]).decode
_SIZES = (64, 32, 16, 8, 4, 2, 1)  # few different statements: each stays prepared


def insert_rows(
    db: sqlite3.Connection, insert: str, rows: Sequence[Row], otherwise: str = ""
) -> None:
    """Run ``insert``, such as ``INSERT INTO t (a, b)``, for all rows.

    ``otherwise`` is the ON CONFLICT clause, if there is one.
    """
    for chunk in _chunks(rows):
        marks = _values(len(chunk), len(chunk[0]))
        db.execute(f"{insert} VALUES {marks} {otherwise}", _flat(chunk))


def update_rows(db: sqlite3.Connection, update: str, rows: Sequence[Row]) -> None:
    """Run ``update`` for all rows; it knows them as ``new.column1`` and so on.

    Such as ``UPDATE t SET a = new.column2 {} WHERE t.id = new.column1``, with
    ``{}`` where FROM belongs.
    """
    for chunk in _chunks(rows):
        source = f"FROM (VALUES {_values(len(chunk), len(chunk[0]))}) AS new"
        db.execute(update.format(source), _flat(chunk))


def all_ids(db: sqlite3.Connection, table: str) -> list[int]:
    """The ids of a small table, in one step."""
    (found,) = db.execute(f"SELECT json_group_array(id) FROM {table}").fetchone()  # noqa: S608 - our own table names
    return _ids(found)


def ids_where(db: sqlite3.Connection, select: str, *values: Value) -> list[int]:
    """What ``select`` finds as ``id``, in one step."""
    (found,) = db.execute(
        f"SELECT json_group_array(id) FROM ({select})",  # noqa: S608 - our own text
        values,
    ).fetchone()
    return _ids(found)


def portions(values: Sequence[bytes], at_a_time: int) -> Iterator[list[bytes]]:
    """``values`` in order, so many at a time: a question has a bound."""
    for start in range(0, len(values), at_a_time):
        yield list(values[start : start + at_a_time])


def _chunks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    start = 0
    for size in _SIZES:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


@cache
def _values(rows: int, columns: int) -> str:
    one = f"({', '.join('?' * columns)})"
    return ", ".join([one] * rows)


def _flat(rows: Sequence[Row]) -> list[Value]:
    return [value for row in rows for value in row]

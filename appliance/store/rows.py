"""Many rows in few steps.

SQLite's module gives the interpreter away at every step of a statement and has
to win it back from busy threads; a statement for 64 rows has one step where
``executemany`` has 64. Under load that is the greater part of a commit's time.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import TypeAlias

import msgspec

Value: TypeAlias = int | str | bytes | bytearray | None
Row: TypeAlias = tuple[Value, ...]

_ids = msgspec.json.Decoder(list[int]).decode
# Few different statements, so that each stays prepared; but a commit of a few rows,
# as most are, has one step.
_ANY_SIZE = 12
_MOST = 64


def insert_rows(
    db: sqlite3.Connection, insert: str, rows: Sequence[Row], otherwise: str = ""
) -> None:
    """Run ``insert``, such as ``INSERT INTO t (a, b)``, for all rows.

    ``otherwise`` is the ON CONFLICT clause, if there is one.
    """
    for chunk in _chunks(rows):
        statement = _statement(insert, len(chunk), len(chunk[0]), otherwise)
        db.execute(statement, _flat(chunk))


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
    start, left = 0, len(rows)
    while left:
        size = left if left <= _ANY_SIZE else min(1 << left.bit_length() - 1, _MOST)
        yield rows[start : start + size]
        start, left = start + size, left - size


@cache
def _statement(insert: str, rows: int, columns: int, otherwise: str) -> str:
    return f"{insert} VALUES {_values(rows, columns)} {otherwise}"


@cache
def _values(rows: int, columns: int) -> str:
    one = f"({', '.join('?' * columns)})"
    return ", ".join([one] * rows)


def _flat(rows: Sequence[Row]) -> list[Value]:
    return list(chain.from_iterable(rows))

"""The chain of the log: each event carries the hash of the one before it.

A hash is BLAKE2b over the hash of the event before and the row's own values as one
MessagePack array, which has one reading only. So an event that is changed, taken out
or put in does not fit the next one. The hashes are no secret: whoever can write the
whole file can make a whole new chain, and is found out by a hash that was noted
elsewhere.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from hashlib import blake2b

import msgspec

from appliance.store.rows import Row

HASH_BYTES = 16
NO_HASH = b""  # in front of the first event, and in rows from before there was a chain

_encode = msgspec.msgpack.Encoder().encode
_HASH_AT = (
    "SELECT coalesce((SELECT hash FROM event WHERE number = :number),"
    " (SELECT hash FROM event_gone WHERE last = :number), x'')"
)


def chained(before: bytes, rows: Iterable[Row]) -> list[Row]:
    """The rows of events, each with its hash at the end."""
    made = []
    for row in rows:
        before = link(before, row)
        made.append((*row, before))
    return made


def link(before: bytes, row: Sequence[object]) -> bytes:
    """The hash of an event, from its row and the hash of the one before."""
    return blake2b(before + _encode(row), digest_size=HASH_BYTES).digest()


def hash_at(db: sqlite3.Connection, number: int) -> bytes:
    """The hash of the event with this number, be it forgotten."""
    found: bytes
    (found,) = db.execute(_HASH_AT, {"number": number}).fetchone()
    return found

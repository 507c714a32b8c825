"""Reading the log of events; a transaction writes it (``Tx.emit``).

What a filter asks for that no index knows is looked for row by row, in a part of the
log that the caller bounds. Messages and deliveries have an index each, and so have
times: ``span`` turns a span of time into a span of numbers.
"""

from typing import TypeAlias

import msgspec

from appliance.core.event import (
    EVERYTHING,
    About,
    Event,
    EventFilter,
    EventType,
    Scalar,
)
from appliance.core.ids import EventNumber, SubAccountId
from appliance.store.dimensions_codec import decode_dimensions
from appliance.store.transaction import View, to_uuid

_decode = msgspec.json.Decoder(dict[str, Scalar]).decode

_Row: TypeAlias = tuple[
    int, int, int, int, bytes, bytes, str, str, str, str, str, str, bytes
]
_Value: TypeAlias = str | int | bytes

# Two index look-ups instead of a walk over the log.
_OF_MESSAGE = (
    "number IN (SELECT number FROM event WHERE message = :message"
    " UNION SELECT number FROM event WHERE delivery = :message)"
)
# The plus keeps SQLite from another index: the order is that of the numbers.
_CLAUSES = {
    "upto": "number <= :upto",
    "types": "type IN (SELECT value FROM json_each(:types))",
    "message": _OF_MESSAGE,
    "sub_account": "sub_account = :sub_account",
    "recipient": "recipient = :recipient COLLATE NOCASE",
    "pool": "pool = :pool",
    "provider": "provider = :provider",
    "since": "+at_ns >= :since",
    "until": "+at_ns < :until",
    "topic": "dimensions <> '' AND dimensions ->> '$.topic' = :topic",
    "campaign": "dimensions <> '' AND dimensions ->> '$.campaign' = :campaign",
    "tag": "dimensions <> '' AND EXISTS (SELECT 1"
    " FROM json_each(dimensions, '$.tags') WHERE value = :tag)",
    "group": "dimensions <> '' AND EXISTS (SELECT 1"
    " FROM json_each(dimensions, '$.groups') WHERE value = :group)",
}


def list_events(
    view: View,
    wanted: EventFilter = EVERYTHING,
    *,
    after: int = 0,
    upto: int | None = None,
    limit: int,
    newest_first: bool = False,
) -> list[Event]:
    """The first ``limit`` wanted events behind number ``after``, in order.

    None is looked at behind number ``upto``: a bound for the time that a search
    for something rare takes. The other way round, the last of them come first.
    """
    values = filter_values(wanted)
    if upto is not None:
        values["upto"] = upto
    clauses = " AND ".join([*filter_clauses(values), "number > :after"])
    order = "DESC" if newest_first else "ASC"
    rows = view.db.execute(
        f"SELECT * FROM event WHERE {clauses} ORDER BY number {order} LIMIT :limit",  # noqa: S608 - our own text
        values | {"after": after, "limit": limit},
    )
    return [to_event(row) for row in rows]


def filter_values(wanted: EventFilter) -> dict[str, _Value]:
    """What is asked for, under the names of the clauses."""
    asked: dict[str, _Value | None] = {
        "types": msgspec.json.encode(sorted(wanted.types)).decode()
        if wanted.types
        else None,
        "message": wanted.message.bytes if wanted.message else None,
        "sub_account": wanted.sub_account,
        "recipient": wanted.recipient or None,
        "group": wanted.group or None,
        "tag": wanted.tag or None,
        "topic": wanted.topic or None,
        "campaign": wanted.campaign or None,
        "pool": wanted.pool or None,
        "provider": wanted.provider or None,
        "since": wanted.since_ns,
        "until": wanted.until_ns,
    }
    return {name: value for name, value in asked.items() if value is not None}


def filter_clauses(values: dict[str, _Value]) -> list[str]:
    """The conditions for these values, in SQL."""
    return [_CLAUSES[name] for name in values]


def span(view: View, wanted: EventFilter) -> tuple[int, int]:
    """The number before the first, and the last, of the events of the filter's time.

    Reads the index of times only. Facts are told late at times, so numbers and
    moments are not in the same order.
    """
    if wanted.since_ns is None and wanted.until_ns is None:
        return 0, last_number(view)
    least, most = view.db.execute(
        "SELECT min(number), max(number) FROM event INDEXED BY event_at"
        " WHERE at_ns >= ? AND at_ns < ?",
        (
            wanted.since_ns or 0,
            2**63 - 1 if wanted.until_ns is None else wanted.until_ns,
        ),
    ).fetchone()
    return (0, 0) if least is None else (least - 1, most)


def first_number(view: View) -> EventNumber:
    """The number of the oldest event in the log, 1 if there is none."""
    (number,) = view.db.execute("SELECT coalesce(min(number), 1) FROM event").fetchone()
    return EventNumber(number)


def last_number(view: View) -> EventNumber:
    """The number of the newest event there ever was, 0 if there was none."""
    row = view.db.execute(
        "SELECT seq FROM sqlite_sequence WHERE name = 'event'"
    ).fetchone()
    return EventNumber(row[0] if row else 0)


def to_event(row: _Row) -> Event:
    """The event of a row."""
    number, type_, at_ns, sub_account, message, delivery, *_, data, attached, _ = row
    sender, recipient, pool, provider = row[6:10]
    about = About(
        SubAccountId(sub_account),
        to_uuid(message),
        to_uuid(delivery),
        sender,
        recipient,
        pool,
        provider,
        decode_dimensions(attached),
    )
    return Event(EventNumber(number), EventType(type_), at_ns, about, _decode(data))

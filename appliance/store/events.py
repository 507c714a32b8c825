"""Reading the log of events; a transaction writes it (``Tx.emit``)."""

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

_Row: TypeAlias = tuple[int, int, int, int, bytes, bytes, str, str, str, str, str, str]

_SELECT = "SELECT * FROM event WHERE number > :after"
_FILTERS = (
    " AND (:upto IS NULL OR number <= :upto)"
    " AND (:types IS NULL OR type IN (SELECT value FROM json_each(:types)))"
    " AND (:sub_account IS NULL OR sub_account = :sub_account)"
    " ORDER BY number LIMIT :limit"
)
# Two index look-ups instead of a walk over the log.
_OF_MESSAGE = (
    " AND number IN (SELECT number FROM event WHERE message = :message"
    " UNION SELECT number FROM event WHERE delivery = :message)"
)


def list_events(
    view: View,
    wanted: EventFilter = EVERYTHING,
    *,
    after: int = 0,
    upto: int | None = None,
    limit: int,
) -> list[Event]:
    """The first ``limit`` wanted events behind number ``after``, in order.

    None is looked at behind number ``upto``: a bound for the time that a search
    for something rare takes.
    """
    message, types = wanted.message, wanted.types
    rows = view.db.execute(
        _SELECT + (_OF_MESSAGE if message else "") + _FILTERS,
        {
            "after": after,
            "upto": upto,
            "limit": limit,
            "types": msgspec.json.encode(sorted(types)).decode() if types else None,
            "message": message.bytes if message else None,
            "sub_account": wanted.sub_account,
        },
    )
    return [_event(row) for row in rows]


def last_number(view: View) -> EventNumber:
    """The number of the newest event there ever was, 0 if there was none."""
    row = view.db.execute(
        "SELECT seq FROM sqlite_sequence WHERE name = 'event'"
    ).fetchone()
    return EventNumber(row[0] if row else 0)


def _event(row: _Row) -> Event:
    number, type_, at_ns, sub_account, message, delivery, *_, data, attached = row
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

"""What a store function is given: the rows, the seals, and a place for events."""

import sqlite3
from dataclasses import dataclass, field
from uuid import UUID

import msgspec

from appliance.core.event import Event, NewEvent
from appliance.core.ids import EventNumber
from appliance.store.chain import chained, hash_at
from appliance.store.dimensions_codec import encode_dimensions
from appliance.store.rows import Row, insert_rows
from appliance.store.sealed import Sealer

_encode = msgspec.json.Encoder().encode
_sequences = msgspec.json.Decoder(dict[str, int]).decode


@dataclass(slots=True)
class View:
    """The database as it stands at one moment, for reading."""

    db: sqlite3.Connection = field(repr=False)
    sealer: Sealer = field(repr=False)


@dataclass(slots=True)
class Tx(View):
    """One transaction. Nothing in it is true for anybody else before its commit.

    A function may be run a second time after the first run was rolled back, so
    all that it changes must be rows, events, and values that it makes itself.
    """

    _events: list[NewEvent] = field(default_factory=list)
    _configuration_changed: bool = False
    _sequences: dict[str, int] | None = None
    _asked: set[str] = field(default_factory=set)

    def emit(self, event: NewEvent) -> None:
        """Record ``event`` with this transaction; it gets its number at the end."""
        self._events.append(event)

    def configuration_changed(self) -> None:
        """Say that rows which memory elsewhere holds copies of are changing."""
        self._configuration_changed = True

    def next_id(self, table: str) -> int:
        """The lowest id of an AUTOINCREMENT table that was never used.

        As the transaction began: it is this transaction's to use, and so are
        those above it, for only one process at a time is behind BEGIN
        IMMEDIATE. A function that inserts asks once, before it does.
        """
        if self._sequences is None or table in self._asked:
            (found,) = self.db.execute(
                "SELECT json_group_object(name, seq) FROM sqlite_sequence"
            ).fetchone()
            self._sequences = _sequences(found)
            self._asked.clear()
        self._asked.add(table)
        return self._sequences.get(table, 0) + 1

    def finish(self) -> tuple[Event, ...]:
        """Write what was collected. The caller commits next."""
        if self._configuration_changed:
            self.db.execute("UPDATE meta SET configuration = configuration + 1")
        if not self._events:
            return ()
        first = self.next_id("event")
        events = tuple(
            Event(EventNumber(number), new.type, new.at_ns, new.about, new.data)
            for number, new in enumerate(self._events, first)
        )
        rows = chained(hash_at(self.db, first - 1), map(_event_row, events))
        insert_rows(self.db, "INSERT INTO event", rows)
        return events


def in_list(sql: str, values: list[bytes]) -> tuple[str, list[bytes]]:
    """``sql`` with ``(:values)`` made a list of marks, and the values for them.

    The number of marks is rounded up to a power of two by repeating the last
    value, so that SQLite meets few different statements. ``values`` must not
    be empty.
    """
    marks = 1 << (len(values) - 1).bit_length()
    text = sql.replace(":values", ",".join("?" * marks))
    return text, values + values[-1:] * (marks - len(values))


def _event_row(event: Event) -> Row:
    about = event.about
    return (
        event.number,
        int(event.type),
        event.at_ns,
        about.sub_account,
        about.message.bytes,
        about.delivery.bytes,
        about.sender,
        about.recipient,
        about.pool,
        about.provider,
        _encode(dict(event.data)).decode() if event.data else "{}",
        encode_dimensions(about.dimensions),
    )


def to_uuid(data: bytes) -> UUID:
    """The UUID of a column."""
    return UUID(bytes=data)

"""Counting events: what is behind the last counted one, many thousands at a time.

The log is read and counted beside the writer (``read_tally``); what is written are a
few rows and, in the same transaction, the number up to which all is counted
(``record_tally``). So a count is never on the walk of a mail, and after a crash none
is lost or doubled.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import msgspec

from appliance.core.event import EventType
from appliance.core.ids import SubAccountId
from appliance.core.stats import (
    COUNTED,
    COUNTERS,
    Kind,
    Said,
    Span,
    counters_of,
    month_number,
)
from appliance.store.events import last_number
from appliance.store.limits import CLASS
from appliance.store.recipient_classes import classes_of
from appliance.store.rows import Row, insert_rows
from appliance.store.transaction import Tx, View

MAX_KEYS = 1_000  # of a kind, of a sub-account, in a day; the rest is counted as one
MAX_KEY = 256  # characters
REST = ""
NOBODY = SubAccountId(0)
DAY_HOURS = 24

# A period, whose it is, and what it is the counter of.
Place: TypeAlias = tuple[Kind, int, int, str]  # kind, period, sub-account, key
Tallies: TypeAlias = dict[Place, list[int]]
# What events have in common, and how many there are.
_Row: TypeAlias = tuple[int, int, int, str, str, str, str, str, str, int]
_Day: TypeAlias = tuple[Kind, int, int]  # kind, day, sub-account
_Keys: TypeAlias = dict[_Day, set[str]]
P = TypeVar("P")

_ADD = ", ".join(f"{one} = {one} + excluded.{one}" for one in COUNTERS)
_INSERT = (
    f"INSERT INTO stat (kind, span, period, sub_account, key, {', '.join(COUNTERS)})"
)
_TYPES = ", ".join(str(int(one)) for one in sorted(COUNTED))
# Behind the first @, for SQLite is slow to find the last: a quoted local part may hold
# one, and is cut off later.
_BEHIND_AT = "substr({0}, instr({0}, '@') + 1)"
_GROUPED = (
    "SELECT type, at_ns / 3600000000000, sub_account,"  # noqa: S608 - our own text
    f" {_BEHIND_AT.format('sender')}, {_BEHIND_AT.format('recipient')}, pool, provider,"
    " CASE data WHEN '{}' THEN '' ELSE"
    "  json_extract(data, '$.code', '$.enhanced', '$.stage', '$.first') END,"
    " CASE dimensions WHEN '' THEN '' ELSE json_remove(dimensions, '$.metadata') END,"
    " count(*) FROM event WHERE number > :after AND number <= :upto"
    f" AND type IN ({_TYPES}) GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9"
)
_KEYS_THERE = (
    "SELECT kind, period, sub_account, count(*) FROM stat"  # noqa: S608 - our own text
    f" WHERE kind IN ({', '.join(str(int(one)) for one in Kind if one)}) AND span = 1"
    " AND period IN (SELECT value FROM json_each(?)) GROUP BY 1, 2, 3"
)


class _Attached(msgspec.Struct):
    groups: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    topic: str = ""
    campaign: str = ""


_NONE_ATTACHED = _Attached()
_PLACES = {name: place for place, name in enumerate(COUNTERS)}
_attached = msgspec.json.Decoder(_Attached).decode
_told = msgspec.json.Decoder(list[object]).decode


@dataclass(frozen=True, slots=True)
class Tally:
    """What the events with the numbers behind ``after``, up to ``upto``, add."""

    after: int
    upto: int
    rows: Sequence[Row]


def counted_number(view: View) -> int:
    """The number of the last event that is counted."""
    (number,) = view.db.execute("SELECT counted FROM stat_stand").fetchone()
    return int(number)


def read_tally(view: View, most: int) -> Tally | None:
    """What the next ``most`` numbers add; None if all is counted."""
    after = counted_number(view)
    upto = min(after + most, last_number(view))
    if upto <= after:
        return None
    hours = tally_hours(view, after, upto)
    admitted = _bounded(view, hours)
    return Tally(after, upto, rows_of(admitted))


def record_tally(tx: Tx, tally: Tally) -> bool:
    """Add it to the counters; False, and nothing done, if somebody else was faster."""
    moved = tx.db.execute(
        "UPDATE stat_stand SET counted = ? WHERE counted = ?", (tally.upto, tally.after)
    ).rowcount
    if moved:
        insert_rows(tx.db, _INSERT, tally.rows, f"ON CONFLICT DO UPDATE SET {_ADD}")
    return bool(moved)


def count_next(tx: Tx, most: int) -> int:
    """How many numbers were counted in this transaction: for who is about to prune."""
    tally = read_tally(tx, most)
    if tally is None:
        return 0
    record_tally(tx, tally)
    return tally.upto - tally.after


def is_held_uncounted(view: View) -> bool:
    """True if mail left that had waited for a limit and is not counted."""
    found = view.db.execute("SELECT 1 FROM throttle WHERE held > held_counted LIMIT 1")
    return found.fetchone() is not None


def count_held(tx: Tx, hour: int) -> None:
    """Count in this hour what left after it had waited for a limit.

    By provider, and by class where the limit is one's; it is no sub-account's.
    """
    held: Tallies = {}
    for provider, scope, key, number in tx.db.execute(
        "SELECT p.name, scope, key, held - held_counted FROM throttle AS t"
        " JOIN provider AS p ON p.id = t.provider WHERE held > held_counted"
    ):
        counts = [*[0] * (len(COUNTERS) - 1), number]
        add_counts(held, (Kind.PROVIDER, hour, NOBODY, provider), counts)
        if scope == CLASS:
            add_counts(held, (Kind.CLASS, hour, NOBODY, key), counts)
    insert_rows(tx.db, _INSERT, rows_of(held), f"ON CONFLICT DO UPDATE SET {_ADD}")
    tx.db.execute("UPDATE throttle SET held_counted = held WHERE held > held_counted")


def tally_hours(view: View, after: int, upto: int) -> Tallies:
    """What these events count, by the hour."""
    values = {"after": after, "upto": upto}
    return _tallied(view, view.db.execute(_GROUPED, values).fetchall())


def forget_hours(tx: Tx, before: int) -> int:
    """How many counters of hours before that one went; two days of them at a time.

    Their days and months stay.
    """
    gone = sum(
        tx.db.execute(
            "DELETE FROM stat WHERE kind = :kind AND span = 0 AND period < :before"
            " AND period < 48 + (SELECT min(period) FROM stat"
            "  WHERE kind = :kind AND span = 0)",
            {"kind": int(kind), "before": before},
        ).rowcount
        for kind in Kind
    )
    if gone:
        tx.db.execute(
            "UPDATE stat_stand SET hours_since = max(hours_since, ?)", (before,)
        )
    return gone


# --- from events to counters -----------------------------------------------------


def _tallied(view: View, rows: Sequence[_Row]) -> Tallies:
    classes = classes_of(view, sorted({_domain(row[4]) for row in rows}))
    tallies: Tallies = {}
    for row in rows:
        type_, hour, sub_account, _, behind, _, provider, told, attached, number = row
        code, enhanced, stage, first = _told(told) if told else (None,) * 4
        tried = stage is not None
        counters = counters_of(EventType(type_), tried=tried, first=bool(first))
        said = _said(code, enhanced, provider)
        for kind, key in _keys(row, classes[_domain(behind)].value, said, attached):
            place = kind, hour, sub_account, key[:MAX_KEY]
            counts = tallies.setdefault(place, [0] * len(COUNTERS))
            for one in counters:
                counts[_PLACES[one]] += number
    return tallies


def _keys(
    row: _Row, recipient_class: str, said: str, attached: str
) -> Iterator[tuple[Kind, str]]:
    """Each counter that an event goes to; what it says nothing of has none."""
    yield Kind.TOTAL, ""
    extra = _attached(attached) if attached else _NONE_ATTACHED
    single = (
        (Kind.PROVIDER, row[6]),
        (Kind.POOL, row[5]),
        (Kind.DOMAIN, _domain(row[3])),
        (Kind.CLASS, recipient_class),
        (Kind.TOPIC, extra.topic),
        (Kind.CAMPAIGN, extra.campaign),
        (Kind.CODE, said),
    )
    yield from ((kind, key) for kind, key in single if key)
    yield from ((Kind.GROUP, key) for key in {*extra.groups} if key)
    yield from ((Kind.TAG, key) for key in {*extra.tags} if key)


def _said(code: object, enhanced: object, provider: str) -> str:
    """What a server said, "" if none did; events tell what they were told."""
    if not isinstance(code, int) or not code:
        return ""
    status = enhanced if isinstance(enhanced, str) else ""
    return Said(code, status.partition(" ")[0], provider).key


def _domain(behind_at: str) -> str:
    """The domain of an address, of which what is behind its first @ is known."""
    return behind_at.rpartition("@")[2]


# --- a bound for keys that senders make up -------------------------------------------


def _bounded(view: View, hours: Tallies) -> Tallies:
    """The same with keys that are too many for their day made one, the rest."""
    wanted: _Keys = {}
    for kind, hour, sub_account, key in hours:
        if kind is not Kind.TOTAL:
            day = kind, hour // DAY_HOURS, sub_account
            wanted.setdefault(day, set()).add(key)
    full = _full(view, wanted)
    if not full:
        return hours
    bounded: Tallies = {}
    for (kind, hour, sub_account, key), counts in hours.items():
        admitted = full.get((kind, hour // DAY_HOURS, sub_account))
        shown = REST if admitted is not None and key not in admitted else key
        add_counts(bounded, (kind, hour, sub_account, shown), counts)
    return bounded


def _full(view: View, wanted: _Keys) -> _Keys:
    """The keys that are counted on days on which not all can be."""
    days = msgspec.json.encode(sorted({day for _, day, _ in wanted})).decode()
    there = {
        (Kind(kind), day, sub_account): number
        for kind, day, sub_account, number in view.db.execute(_KEYS_THERE, (days,))
    }
    return {
        place: _admitted(view, place, keys)
        for place, keys in wanted.items()
        if there.get(place, 0) + len(keys) > MAX_KEYS
    }


def _admitted(view: View, place: _Day, keys: set[str]) -> set[str]:
    found = view.db.execute(
        "SELECT key FROM stat WHERE kind = ? AND span = 1 AND period = ?"
        " AND sub_account = ? AND key <> ''",
        place,
    )
    known = {key for (key,) in found}
    fresh = sorted(keys - known)
    return known | {*fresh[: max(0, MAX_KEYS - len(known))]}


# --- from hours to rows --------------------------------------------------------------


def rows_of(hours: Tallies) -> list[Row]:
    """A row for each hour, and for the days and months that these are of."""
    spans: dict[tuple[Span, Place], list[int]] = {}
    for (kind, hour, sub_account, key), counts in hours.items():
        day = hour // DAY_HOURS
        for span, period in (
            (Span.HOUR, hour),
            (Span.DAY, day),
            (Span.MONTH, month_number(day)),
        ):
            add_counts(spans, (span, (kind, period, sub_account, key)), counts)
    return [
        (int(kind), int(span), period, sub_account, key, *counts)
        for (span, (kind, period, sub_account, key)), counts in spans.items()
    ]


def add_counts(sums: dict[P, list[int]], place: P, counts: Sequence[int]) -> None:
    """Add ``counts`` to what is there at ``place``."""
    before = sums.get(place)
    sums[place] = (
        [*counts]
        if before is None
        else [a + b for a, b in zip(before, counts, strict=True)]
    )

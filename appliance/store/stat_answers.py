"""Answers from the counters: each is read from a few rows, however much was sent."""

from collections.abc import Iterator
from datetime import date
from typing import TypeAlias

import msgspec

from appliance.core.ids import SubAccountId
from appliance.core.stats import (
    COUNTERS,
    NOTHING,
    Counts,
    Kind,
    Question,
    Span,
    day_of,
    periods,
)
from appliance.store.transaction import View

_Periods: TypeAlias = list[tuple[Span, int]]
_SUMS = ", ".join(f"sum(s.{one})" for one in COUNTERS)
# In the order of the table: only the few sums of each period are sorted by key.
_PART = (
    f"SELECT s.key AS key, {', '.join(f'sum(s.{one}) AS {one}' for one in COUNTERS)}"  # noqa: S608 - our own text
    " FROM stat AS s WHERE s.kind = :kind AND s.span = :span{0}"
    " AND s.period BETWEEN :first{0} AND :last{0}{1} GROUP BY s.period, s.key"
)
_OURS = " AND s.sub_account IN (SELECT value FROM json_each(:ours))"


def total(view: View, question: Question) -> Counts:
    """All of it in one."""
    found = _ask(view, question, "s.kind", _whole(question))
    return next((counts for _, counts in found), NOTHING)


def by_day(view: View, question: Question) -> dict[date, Counts]:
    """Each day of the question, those without mail too."""
    days: _Periods = [
        (Span.DAY, one) for one in range(question.first, question.last + 1)
    ]
    found = dict(_ask(view, question, "s.period", days))
    return {day_of(one): found.get(one, NOTHING) for _, one in days}


def by_hour(view: View, question: Question) -> dict[int, Counts]:
    """Each hour in which there was any; hours are kept for some months."""
    hours: _Periods = [
        (Span.HOUR, one) for one in range(question.first * 24, (question.last + 1) * 24)
    ]
    return dict(_ask(view, question, "s.period", hours))


def by_sub_account(view: View, question: Question) -> dict[SubAccountId, Counts]:
    """Each sub-account that has any."""
    found = _ask(view, question, "s.sub_account", _whole(question))
    return {SubAccountId(one): counts for one, counts in found}


def by_key(view: View, question: Question, most: int) -> dict[str, Counts]:
    """The keys with most mail; "" stands for those that were too many to count."""
    ranges = enumerate(_ranges(question))
    ours, values = question.sub_accounts, {"kind": int(question.kind), "most": most}
    parts = []
    for number, (span, first, last) in ranges:
        parts.append(_PART.format(number, "" if ours is None else _OURS))
        values |= {f"span{number}": int(span)}
        values |= {f"first{number}": first, f"last{number}": last}
    rows = view.db.execute(
        f"SELECT key, {_SUMS} FROM ({' UNION ALL '.join(parts)}) AS s"  # noqa: S608 - our own text
        " GROUP BY key ORDER BY sum(s.processed) + sum(s.sent) DESC, 1 LIMIT :most",
        {**values, "ours": _json(sorted(ours or ()))},
    )
    return {key: Counts(*counts) for key, *counts in rows}


def _whole(question: Question) -> _Periods:
    return [*periods(question.first, question.last)]


def _ranges(question: Question) -> list[tuple[Span, int, int]]:
    """The whole as a few ranges of periods."""
    found: list[tuple[Span, int, int]] = []
    for span, period in _whole(question):
        if found and found[-1][0] is span and found[-1][2] == period - 1:
            found[-1] = span, found[-1][1], period
        else:
            found.append((span, period, period))
    return found


def _ask(
    view: View, question: Question, group: str, pieces: _Periods
) -> Iterator[tuple[int, Counts]]:
    """The sums of each group; each period is one look into the table."""
    ours = question.sub_accounts
    rows = view.db.execute(
        f"SELECT {group}, {_SUMS}"  # noqa: S608 - our own text
        " FROM json_each(:pieces) AS p CROSS JOIN stat AS s ON s.kind = :kind"
        "  AND s.span = p.value ->> 0 AND s.period = p.value ->> 1 AND s.key = :key"
        f"{'' if ours is None else _OURS} GROUP BY {group}",
        {
            "kind": int(question.kind),
            "key": question.key,
            "pieces": _json(pieces),
            "ours": _json(sorted(ours or ())),
        },
    )
    for one, *counts in rows:
        yield one, Counts(*counts)


def _json(values: object) -> str:
    return msgspec.json.encode(values).decode()


def row_numbers(
    view: View, kind: Kind, ours: frozenset[SubAccountId]
) -> dict[str, int]:
    """By name, the row ids of what a kind's keys name; of domains only ``ours``.

    Of a domain that several sub-accounts have it is the oldest row.
    """
    owned = " WHERE sub_account IN (SELECT value FROM json_each(?))"
    table, condition = {
        Kind.PROVIDER: ("provider", ""),
        Kind.POOL: ("pool", ""),
        Kind.DOMAIN: ("sender_domain", owned),
    }[kind]
    values = [_json(sorted(ours))] if condition else []
    select = f"SELECT name, id FROM {table}{condition} ORDER BY id DESC"  # noqa: S608 - our own text
    return dict(view.db.execute(select, values))

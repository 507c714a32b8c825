"""Whether the counters say what the log does.

Of days of which the log has everything, each counter is compared. Of the days before,
where events have been pruned, it is remembered how many (``stat_forgotten``): there
the sums are compared. Hours have to add up to days, and days to months.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from appliance.core.event import EventType
from appliance.core.stats import COUNTED, COUNTERS, Kind, Span, counters_of, day_of
from appliance.store.stats import (
    DAY_HOURS,
    MAX_KEYS,
    REST,
    Place,
    Tallies,
    add_counts,
    counted_number,
    tally_hours,
)
from appliance.store.transaction import View

AT_A_TIME = 20_000  # numbers of the log
SHOWN = 20  # differences that are told; all are counted
_FROM_EVENTS = COUNTERS[:-1]  # the last one is no event's
_Counters: TypeAlias = dict[Place, tuple[int, ...]]

_SUMS = ", ".join(f"sum({one})" for one in COUNTERS)
_ALL = ", ".join(COUNTERS)
_MONTH = (
    "12 * strftime('%Y', period * 86400, 'unixepoch')"
    " + strftime('%m', period * 86400, 'unixepoch') - 1"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a recount found.

    ``events`` were recounted, ``forgotten`` are remembered as numbers only. Of the
    ``counters`` compared so many are ``wrong``; ``differences`` tells of the first.
    """

    events: int
    forgotten: int
    counters: int
    wrong: int
    differences: tuple[str, ...]


def check_stats(view: View, progress: Callable[[int], None]) -> Verdict:
    """Recount the log; ``progress`` is told the number it has come to."""
    upto = counted_number(view)
    days, events = _recount(view, upto, progress)
    complete = _complete_since(view)
    found = [
        *_compare(_known_days(view, complete), days, complete),
        *_compare_sums(view, days, complete),
        *_spans(view),
    ]
    wrong = [text for text in found if text]
    (forgotten,) = view.db.execute(
        "SELECT coalesce(sum(events), 0) FROM stat_forgotten"
    ).fetchone()
    return Verdict(events, forgotten, len(found), len(wrong), tuple(wrong[:SHOWN]))


def _recount(
    view: View, upto: int, progress: Callable[[int], None]
) -> tuple[Tallies, int]:
    """The log by days, and how many events are in it."""
    (first, number) = view.db.execute(
        "SELECT coalesce(min(number), 1), count(*) FROM event WHERE number <= ?",
        (upto,),
    ).fetchone()
    days: Tallies = {}
    for after in range(first - 1, upto, AT_A_TIME):
        until = min(after + AT_A_TIME, upto)
        hours = tally_hours(view, after, until)
        for (kind, hour, sub_account, key), counts in hours.items():
            add_counts(days, (kind, hour // DAY_HOURS, sub_account, key), counts)
        progress(until)
    return days, number


def _complete_since(view: View) -> int:
    """The first day of which, and of all behind it, no event is forgotten."""
    (hour,) = view.db.execute("SELECT max(last_hour) FROM stat_forgotten").fetchone()
    return 0 if hour is None else hour // DAY_HOURS + 1


def _known_days(view: View, since: int) -> _Counters:
    names = ", ".join(_FROM_EVENTS)
    rows = view.db.execute(
        f"SELECT kind, period, sub_account, key, {names} FROM stat"  # noqa: S608 - our own text
        " WHERE span = 1 AND period >= ?",
        (since,),
    )
    return {
        (Kind(kind), day, sub_account, key): tuple(counts)
        for kind, day, sub_account, key, *counts in rows
        if any(counts)  # else it is of what is no event
    }


def _compare(known: _Counters, days: Tallies, since: int) -> Iterator[str]:
    """A text for each counter, "" where it is right."""
    recounted: _Counters = {
        place: tuple(counts[:-1]) for place, counts in days.items() if place[1] >= since
    }
    loose = _loose(known) | _loose(recounted)
    known, recounted = _joined(known, loose), _joined(recounted, loose)
    nothing = (0,) * len(_FROM_EVENTS)
    for place in sorted(known.keys() | recounted.keys()):
        counted, log = known.get(place, nothing), recounted.get(place, nothing)
        yield "" if counted == log else _worded(place, counted, log)


def _loose(counters: _Counters) -> set[tuple[Kind, int, int]]:
    """Where keys are compared together only.

    Which class a domain was of when it was counted is not in the log, nor which keys
    came first of those that were too many.
    """
    keys: dict[tuple[Kind, int, int], int] = {}
    loose = set()
    for kind, day, sub_account, key in counters:
        place = kind, day, sub_account
        keys[place] = keys.get(place, 0) + 1
        too_many = keys[place] > MAX_KEYS or (kind is not Kind.TOTAL and key == REST)
        if kind is Kind.CLASS or too_many:
            loose.add(place)
    return loose


def _joined(counters: _Counters, loose: set[tuple[Kind, int, int]]) -> _Counters:
    sums: dict[Place, list[int]] = {}
    for (kind, day, sub_account, key), counts in counters.items():
        shown = REST if (kind, day, sub_account) in loose else key
        add_counts(sums, (kind, day, sub_account, shown), counts)
    return {place: tuple(counts) for place, counts in sums.items()}


def _compare_sums(view: View, days: Tallies, since: int) -> Iterator[str]:
    """What was counted before that day: it is in the log, or forgotten."""
    if not since:
        return
    forgotten = {
        (sub_account, EventType(type_)): events
        for sub_account, type_, events in view.db.execute(
            "SELECT sub_account, type, events FROM stat_forgotten"
        )
    }
    counted = _sums_before(view, since)
    for sub_account in sorted({one for one, _ in forgotten} | {*counted}):
        kept = [
            counts
            for (kind, day, owner, _), counts in days.items()
            if kind is Kind.TOTAL and owner == sub_account and day < since
        ]
        for type_, names in _NAMES.items():
            places = [COUNTERS.index(one) for one in names]
            log = sum(counts[place] for counts in kept for place in places)
            log += forgotten.get((sub_account, type_), 0)
            known = sum(counted.get(sub_account, {}).get(one, 0) for one in names)
            what = f"sub-account {sub_account}, {type_.label}, before {day_of(since)}"
            yield "" if known == log else f"{what}: counted {known}, logged {log}"


def _sums_before(view: View, since: int) -> dict[int, dict[str, int]]:
    rows = view.db.execute(
        f"SELECT sub_account, {_SUMS} FROM stat"  # noqa: S608 - our own text
        " WHERE kind = 0 AND span = 1 AND period < ? GROUP BY 1",
        (since,),
    )
    return {
        sub_account: dict(zip(COUNTERS, counts, strict=True))
        for sub_account, *counts in rows
    }


def _spans(view: View) -> Iterator[str]:
    """Whether hours add up to days, and days to months: a text for what does not."""
    (since,) = view.db.execute("SELECT hours_since FROM stat_stand").fetchone()
    first = -(-since // DAY_HOURS)
    for lower, upper, period, least in (
        (Span.HOUR, Span.DAY, f"period / {DAY_HOURS}", first),
        (Span.DAY, Span.MONTH, _MONTH, 0),
    ):
        sums = (
            f"SELECT kind, {period} AS whole, sub_account, key, {_SUMS} FROM stat"  # noqa: S608 - our own text
            f" WHERE span = {int(lower)} AND {period} >= {least} GROUP BY 1, 2, 3, 4"
        )
        wholes = (
            f"SELECT kind, period, sub_account, key, {_ALL} FROM stat"  # noqa: S608 - our own text
            f" WHERE span = {int(upper)} AND period >= {least}"
        )
        for one, other in ((sums, wholes), (wholes, sums)):
            for kind, whole, owner, key, *_ in view.db.execute(
                f"SELECT * FROM ({one}) EXCEPT SELECT * FROM ({other})"  # noqa: S608 - our own text
            ):
                named = f"{Kind(kind).label} {key!r} of sub-account {owner}"
                yield (
                    f"{named}: {lower.name.lower()}s do not add up to"
                    f" {upper.name.lower()} {whole}"
                )


def _worded(place: Place, counted: tuple[int, ...], log: tuple[int, ...]) -> str:
    kind, day, owner, key = place
    unlike = ", ".join(
        f"{name} is {one}, logged {two}"
        for name, one, two in zip(_FROM_EVENTS, counted, log, strict=True)
        if one != two
    )
    named = f" {key!r}" if key else ""
    return f"{day_of(day)}, sub-account {owner}, {kind.label}{named}: {unlike}"


_NAMES = {
    type_: {counters_of(type_, tried=tried, first=False)[0] for tried in (False, True)}
    for type_ in EventType
    if type_ in COUNTED
}

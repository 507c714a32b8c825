"""Looking whether the log is whole: no number missing, no event changed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from appliance.store.chain import NO_HASH, hash_at, link
from appliance.store.events import last_number
from appliance.store.transaction import View


class Break(Enum):
    """What is wrong."""

    MISSING = "missing"  # numbers that nobody forgot
    CHANGED = "changed"  # this event, or the hash of the one before, is not what it was


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the numbers from ``first`` to ``last``."""

    kind: Break
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Stand:
    """How far the log was looked through, and what it is to go on with.

    ``before`` is the hash of the event ``number``. ``unchained`` events are from
    before there was a chain; ``forgotten`` numbers were pruned.
    """

    number: int = 0
    before: bytes = NO_HASH
    checked: int = 0
    unchained: int = 0
    forgotten: int = 0
    faults: tuple[Fault, ...] = ()
    last: int = 0

    @property
    def done(self) -> bool:
        """True if there was nothing behind it."""
        return self.number >= self.last


def check_chain(view: View, stand: Stand, limit: int) -> Stand:
    """The stand after up to ``limit`` more events; its faults are those of these."""
    looked = replace(stand, last=last_number(view), faults=())
    (chained_from,) = view.db.execute("SELECT chained_from FROM event_log").fetchone()
    rows = view.db.execute(
        "SELECT * FROM event WHERE number > ? ORDER BY number LIMIT ?",
        (stand.number, limit),
    ).fetchall()
    for *row, kept in rows:
        number = row[0]
        looked = _pass_over(view, looked, number)
        if number < chained_from:
            looked = replace(looked, unchained=looked.unchained + 1)
        elif link(looked.before, row) != kept:
            looked = _faulty(looked, Break.CHANGED, number, number)
        checked = looked.checked + 1
        looked = replace(looked, number=number, before=kept, checked=checked)
    return looked if len(rows) == limit else _pass_over(view, looked, looked.last + 1)


def _pass_over(view: View, stand: Stand, number: int) -> Stand:
    """The stand just before ``number``: what is between must have been forgotten."""
    at = stand.number + 1
    if at >= number:
        return stand
    for first, last in list(_gone(view, at, number)):
        if first > at:
            stand = _faulty(stand, Break.MISSING, at, first - 1)
        stand = replace(stand, forgotten=stand.forgotten + last + 1 - max(first, at))
        at = last + 1
    if at < number:
        stand = _faulty(stand, Break.MISSING, at, number - 1)
    return replace(stand, number=number - 1, before=hash_at(view.db, number - 1))


def _gone(view: View, at: int, number: int) -> Iterator[tuple[int, int]]:
    return view.db.execute(
        "SELECT first, last FROM event_gone WHERE last BETWEEN ? AND ? ORDER BY last",
        (at, number - 1),
    )


def _faulty(stand: Stand, kind: Break, first: int, last: int) -> Stand:
    return replace(stand, faults=(*stand.faults, Fault(kind, first, last)))

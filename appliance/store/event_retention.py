"""Forgetting events: the oldest, and opens and clicks before the others.

What is taken out of the log is remembered as numbers and one hash, so that the chain
goes on behind it. Each pass looks at a bounded number of rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from appliance.core.event import EventType
from appliance.store.transaction import Tx

_ENGAGEMENT = f"({int(EventType.OPENED)}, {int(EventType.CLICKED)})"
_LOOK = 10  # times a batch of rows, of which a part are opens and clicks

_Gone: TypeAlias = tuple[int, bytes]  # number and hash


@dataclass(frozen=True, slots=True)
class Keep:
    """From which moments on events are kept.

    Up to number ``told`` all who wait for events have them; those behind it are kept
    from ``untold_ns`` on at least. What is behind ``counted`` stays: it is in no
    statistics yet.
    """

    events_ns: int
    engagement_ns: int
    untold_ns: int
    told: int
    counted: int


def prune_events(tx: Tx, keep: Keep, batch: int) -> tuple[int, bool]:
    """How many events were forgotten, and whether there may be more.

    At most ``batch`` of the oldest, and as many opens and clicks.
    """
    oldest = _prune_oldest(tx, keep, batch)
    engaged, more = _prune_engagement(tx, keep, batch)
    return oldest + engaged, more or oldest == batch


def _prune_oldest(tx: Tx, keep: Keep, batch: int) -> int:
    rows = tx.db.execute(
        "SELECT number, at_ns, hash FROM event ORDER BY number LIMIT ?", (batch,)
    )
    gone = [
        (number, hash_)
        for number, at_ns, hash_ in rows.fetchall()
        if _is_old(keep, keep.events_ns, number, at_ns)
    ]
    _take_out(tx, gone)
    return len(gone)


def _prune_engagement(tx: Tx, keep: Keep, batch: int) -> tuple[int, bool]:
    """Opens and clicks behind those of the last pass, up to the first that is young."""
    if keep.engagement_ns <= keep.events_ns:
        return 0, False
    (after,) = tx.db.execute("SELECT engagement_after FROM event_log").fetchone()
    rows = tx.db.execute(
        f"SELECT number, at_ns, hash, type IN {_ENGAGEMENT} FROM event"  # noqa: S608 - our own text
        " WHERE number > ? ORDER BY number LIMIT ?",
        (after, batch * _LOOK),
    )
    gone: list[_Gone] = []
    looked = 0
    for number, at_ns, hash_, engaged in rows.fetchall():
        if len(gone) == batch or not _is_old(keep, keep.engagement_ns, number, at_ns):
            break
        after, looked = number, looked + 1
        if engaged:
            gone.append((number, hash_))
    if looked:
        _take_out(tx, gone)
        tx.db.execute("UPDATE event_log SET engagement_after = ?", (after,))
    return len(gone), len(gone) == batch or looked == batch * _LOOK


def _take_out(tx: Tx, gone: Sequence[_Gone]) -> None:
    for first, last, hash_ in _runs(gone):
        tx.db.execute("DELETE FROM event WHERE number BETWEEN ? AND ?", (first, last))
        _remember(tx, first, last, hash_)


def _runs(gone: Sequence[_Gone]) -> Iterator[tuple[int, int, bytes]]:
    """Numbers that follow one another, as one."""
    first = 0
    for at, (number, hash_) in enumerate(gone):
        first = first or number
        if at + 1 == len(gone) or gone[at + 1][0] != number + 1:
            yield first, number, hash_
            first = 0


def _remember(tx: Tx, first: int, last: int, hash_: bytes) -> None:
    """Together with what is remembered right before and right behind."""
    before = tx.db.execute(
        "SELECT first, last FROM event_gone WHERE last = ?", (first - 1,)
    ).fetchone()
    behind = tx.db.execute(
        "SELECT first, last, hash FROM event_gone WHERE last > ? ORDER BY last LIMIT 1",
        (last,),
    ).fetchone()
    if before is not None:
        first = before[0]
        tx.db.execute("DELETE FROM event_gone WHERE last = ?", before[1:])
    if behind is not None and behind[0] == last + 1:
        _, last, hash_ = behind
        tx.db.execute("DELETE FROM event_gone WHERE last = ?", (last,))
    tx.db.execute("INSERT INTO event_gone VALUES (?, ?, ?)", (last, first, hash_))


def _is_old(keep: Keep, from_ns: int, number: int, at_ns: int) -> bool:
    free = number <= keep.told or at_ns < keep.untold_ns
    return at_ns < from_ns and free and number <= keep.counted

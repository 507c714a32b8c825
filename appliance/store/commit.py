"""One commit of many calls, without a task in sight.

Calls of the same function run as one batch. If anything in the commit goes
wrong, all of it is rolled back and each call is run again in a transaction of
its own, so that only the guilty one sees its error. An error of the disk is
nobody's guilt and fails them all, except that with a full disk the smaller
calls still get their try.

``commit`` does all of it in the writer's thread. Where the calls are few and light,
``draft`` writes their rows without the thread and ``seal`` does the rest there: every
step of a statement gives the interpreter away, and a thread has to win each one back
from a busy event loop, which the loop has not. Only the sync to the disk waits, and
that is COMMIT's.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import outcome

from appliance.core.event import Event
from appliance.store.connection import begin_patiently
from appliance.store.errors import StoreUnavailable, unavailable
from appliance.store.sealed import Sealer
from appliance.store.transaction import Tx

# Items and results of many kinds wait in one queue; Writer's methods tie the
# types of an item, its function and its result together.
Batch: TypeAlias = Callable[[Tx, Sequence[Any]], Sequence[Any]]
Result: TypeAlias = outcome.Value[Any] | outcome.Error


@dataclass(slots=True, eq=False)
class Call:
    """One item that waits for a commit, and what came of it."""

    run: Batch
    item: object = field(repr=False)
    size_bytes: int
    deliver: Callable[[Result], None]
    handed: bool = False
    withdrawn: bool = False
    result: Result | None = None

    def fail(self, error: Exception) -> None:
        """Settle the call with an error of its own copy."""
        self.result = outcome.Error(error)


@dataclass(slots=True)
class Draft:
    """Rows that are written and not committed, with what to tell after COMMIT."""

    groups: Sequence[tuple[Sequence[Call], Sequence[object]]]
    events: tuple[Event, ...]


def draft(
    db: sqlite3.Connection, sealer: Sealer, calls: Sequence[Call]
) -> Draft | None:
    """The calls as an open transaction; None, and nothing done, if that fails.

    Whatever was wrong is found again, and told, by ``commit``. Another process
    that writes is not waited for.
    """
    try:
        db.execute("BEGIN IMMEDIATE")
        return _run_all(db, sealer, calls)
    except Exception:  # noqa: BLE001  commit() meets it again and tells the guilty
        _roll_back(db)
        return None


def seal(
    db: sqlite3.Connection, sealer: Sealer, calls: Sequence[Call], drafted: Draft
) -> tuple[Event, ...]:
    """Commit what ``draft`` wrote; the same promise as ``commit``."""
    try:
        db.execute("COMMIT")
    except sqlite3.Error:
        _roll_back(db)
        return commit(db, sealer, calls)
    return _settled(drafted)


def commit(
    db: sqlite3.Connection, sealer: Sealer, calls: Sequence[Call]
) -> tuple[Event, ...]:
    """Run ``calls`` and commit; every one has its result, the events are durable."""
    try:
        return _transaction(db, sealer, calls)
    except Exception as error:  # noqa: BLE001  it travels to whoever waits
        blame = unavailable(error)
        if len(calls) == 1 or (blame is not None and not blame.full):
            _fail(calls, error)
            return ()
    return _one_by_one(db, sealer, calls)


def _one_by_one(
    db: sqlite3.Connection, sealer: Sealer, calls: Sequence[Call]
) -> tuple[Event, ...]:
    events: list[Event] = []
    for position, call in enumerate(calls):
        try:
            events += _transaction(db, sealer, [call])
        except Exception as error:  # noqa: BLE001  it travels to whoever waits
            blame = unavailable(error)
            if blame is not None and not blame.full:
                _fail(calls[position:], error)
                break
            _fail([call], error)
    return tuple(events)


def _transaction(
    db: sqlite3.Connection, sealer: Sealer, calls: Sequence[Call]
) -> tuple[Event, ...]:
    begin_patiently(db)
    try:
        drafted = _run_all(db, sealer, calls)
        db.execute("COMMIT")
    except BaseException:
        _roll_back(db)
        raise
    return _settled(drafted)


def _run_all(db: sqlite3.Connection, sealer: Sealer, calls: Sequence[Call]) -> Draft:
    tx = Tx(db, sealer)
    groups = [(group, _run(tx, run, group)) for run, group in _grouped(calls).items()]
    return Draft(groups, tx.finish())


def _settled(drafted: Draft) -> tuple[Event, ...]:
    for group, values in drafted.groups:
        for call, value in zip(group, values, strict=True):
            call.result = outcome.Value(value)
    return drafted.events


def _roll_back(db: sqlite3.Connection) -> None:
    if db.in_transaction:  # some errors of the disk have rolled back already
        db.execute("ROLLBACK")


def _grouped(calls: Sequence[Call]) -> dict[Batch, list[Call]]:
    groups: dict[Batch, list[Call]] = {}
    for call in calls:
        groups.setdefault(call.run, []).append(call)
    return groups


def _run(tx: Tx, run: Batch, group: Sequence[Call]) -> Sequence[object]:
    results = run(tx, [call.item for call in group])
    if len(results) != len(group):
        raise RuntimeError(f"{run!r} gave {len(results)} results for {len(group)}")
    return results


def _fail(calls: Sequence[Call], error: Exception) -> None:
    for call in calls:
        # Each waiter raises its error: one shared exception would gather the
        # tracebacks of all of them.
        blame = unavailable(error)
        call.fail(error if blame is None else blame)


def stopped() -> StoreUnavailable:
    """What is said to a call that comes too late."""
    return StoreUnavailable("the store is closed")

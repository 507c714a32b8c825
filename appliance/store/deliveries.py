"""The queue: settle what was tried, let go what was not, and look.

Whatever the number of those that wait, a claim reads the front of one index
and nothing else; a WHERE repeats that of the partial index it is for, word by
word. A delivery that was claimed belongs to the relay until it is
settled or released; a settlement of one that is no longer the relay's changes
nothing and records no event.
"""

from collections.abc import Sequence

import msgspec

from appliance import failpoint
from appliance.core.delivery import Settlement, State
from appliance.core.ids import DeliveryId
from appliance.core.throttle import Fare
from appliance.store.attempts import add_attempts
from appliance.store.refunds import give_back
from appliance.store.rows import Row, ids_where, update_rows
from appliance.store.standing import QUEUES
from appliance.store.transaction import Tx, View

_FINISHED = (State.SENT, State.DROPPED)
UNFINISHED = tuple(state for state in State if state not in _FINISHED)
NEXT_DUE = (
    "SELECT min((SELECT due_ns FROM delivery INDEXED BY delivery_due"  # noqa: S608 - our own text
    " WHERE provider IS one.provider AND queue = one.queue AND due_ns > :after"
    " AND due_ns IS NOT NULL AND state = 0 ORDER BY due_ns LIMIT 1))"
    " FROM (" + QUEUES + ") AS one"
)


def settle(tx: Tx, items: Sequence[Settlement]) -> list[bool]:
    """For each settlement whether it counted; a batch function.

    It does if the delivery was in flight, and only then its event is recorded.

    Raises:
        ValueError: a delivery is to end without an event that says so.
    """
    counted = settle_from(tx, State.IN_FLIGHT, items)
    failpoint.reach("settle.before_commit")
    return counted


def settle_from(tx: Tx, state: State, items: Sequence[Settlement]) -> list[bool]:
    """The same for deliveries that must be in ``state`` for it to count."""
    ours = _those_in(tx, state, [item.delivery for item in items])
    counted = []
    for item in items:
        counted.append(item.delivery in ours)
        ours.discard(item.delivery)  # a second one in the same batch is too late
    taken = [item for item, counts in zip(items, counted, strict=True) if counts]
    update_rows(
        tx.db,
        "UPDATE delivery SET state = new.column2, due_ns = new.column3,"
        " attempts = new.column4, last_code = new.column5, last_text = new.column6,"
        " settled_ns = new.column7, waits_for = new.column8,"
        " dot_ns = CASE new.column2 WHEN 5 THEN dot_ns END {}"
        " WHERE delivery.id = new.column1",
        list(map(_settled_columns, taken)),
    )
    add_attempts(
        tx,
        [(one.delivery, one.attempt) for one in taken if one.attempt is not None],
    )
    give_back(tx, [item.fare for item in taken if item.fare is not None])
    for item in taken:
        if item.event is not None:
            tx.emit(item.event)
    return counted


def release(
    tx: Tx, deliveries: Sequence[DeliveryId], now_ns: int, fares: Sequence[Fare] = ()
) -> int:
    """How many claims were given back: queued, due now, with no try counted.

    Not those whose final dot may have left. So are the ``fares`` of those for which
    nothing went.
    """
    give_back(tx, fares)
    done = tx.db.execute(
        "UPDATE delivery SET state = 0, due_ns = ?"
        " WHERE id IN (SELECT value FROM json_each(?)) AND state = 1"
        " AND dot_ns IS NULL",
        (now_ns, msgspec.json.encode(deliveries).decode()),
    )
    return done.rowcount


def next_due_ns(view: View, after_ns: int = -1) -> int | None:
    """When the next queued delivery is due, None if none is due after ``after_ns``."""
    (due_ns,) = view.db.execute(NEXT_DUE, {"after": after_ns}).fetchone()
    return None if due_ns is None else int(due_ns)


def queue_reaches(view: View, number: int) -> bool:
    """True if that many deliveries are queued; counts no further."""
    (found,) = view.db.execute(
        "SELECT count(*) FROM"
        " (SELECT 1 FROM delivery WHERE due_ns IS NOT NULL AND state = 0 LIMIT ?)",
        (number,),
    ).fetchone()
    return bool(found >= number)


def counts_by_state(view: View) -> dict[State, int]:
    """How many deliveries are queued, in flight, held and in doubt.

    The finished ones are history, which grows and is pruned; they are not
    counted.
    """
    counts = dict.fromkeys(UNFINISHED, 0)
    for state, number in view.db.execute(
        "SELECT 0, count(*) FROM delivery WHERE due_ns IS NOT NULL AND state = 0"
        " UNION ALL SELECT state, count(*) FROM delivery"
        " WHERE settled_ns IS NULL AND state <> 0 GROUP BY state"
    ):
        counts[State(state)] = number
    return counts


def _those_in(
    tx: Tx, state: State, deliveries: Sequence[DeliveryId]
) -> set[DeliveryId]:
    found = ids_where(
        tx.db,
        "SELECT id FROM delivery"
        " WHERE id IN (SELECT value FROM json_each(?)) AND state = ?",
        msgspec.json.encode(deliveries).decode(),
        int(state),
    )
    return set(map(DeliveryId, found))


def _settled_columns(item: Settlement) -> Row:
    settled_ns = None
    if item.state in _FINISHED:
        if item.event is None:
            raise ValueError(f"delivery {item.delivery} ends without an event")
        settled_ns = item.event.at_ns
    return (
        item.delivery,
        int(item.state),
        item.due_ns,
        item.attempts,
        item.code,
        item.text,
        settled_ns,
        item.waits_for,
    )

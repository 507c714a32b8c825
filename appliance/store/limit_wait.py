"""Ends what has waited for a limit too long.

Counted is the time for which a limit held a mail back: from when the mail was due, or
the limit began to hold without a break if that was later. While the provider is down,
or nobody claims, no limit holds anything, and the time begins anew. So an outage, a
machine that slept, or a clock that jumped never ends a mail.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

from appliance.core.breaker import Restraint
from appliance.core.event import EventType, NewEvent, Scalar
from appliance.core.ids import ProviderId
from appliance.store.about import about_deliveries
from appliance.store.limits import OVERALL
from appliance.store.standing import Standing, load_standing
from appliance.store.throttle import ThrottleRow
from appliance.store.tokens import GAP_NS
from appliance.store.transaction import Tx, to_uuid

GIVEN_UP = "rate limit wait exceeded"
BATCH = 500  # deliveries in one transaction
_Row: TypeAlias = tuple[int, bytes, int]

_FIND = (
    "SELECT id, uuid, attempts FROM delivery INDEXED BY delivery_due"
    " WHERE provider = ? AND queue = ? AND due_ns <= ?"
    " AND due_ns IS NOT NULL AND state = 0 ORDER BY due_ns LIMIT ?"
)


def give_up(tx: Tx, now_ns: int, wait_ns: int) -> int:
    """How many were dropped that a limit held back for ``wait_ns``; a part at a time.

    Each has an event that says so.
    """
    standing = load_standing(tx, now_ns, 1)
    dropped = 0
    for row in standing.throttles:
        if _held_for(row, now_ns) >= wait_ns:
            told = row.told(standing.providers[ProviderId(row.provider)])
            found = _find(tx, standing, row, now_ns - wait_ns, BATCH - dropped)
            _drop(tx, found, told, now_ns)
            dropped += len(found)
    return dropped


def _held_for(row: ThrottleRow, now_ns: int) -> int:
    """For how long a limit has held mail back without a break."""
    if row.since_ns is None or row.seen_ns is None or not row.limit:
        return -1
    if not 0 <= now_ns - row.seen_ns < GAP_NS:
        return -1
    return now_ns - row.since_ns


def _find(
    tx: Tx, standing: Standing, row: ThrottleRow, due_ns: int, most: int
) -> list[_Row]:
    """The longest due of the queues that a limit holds back."""
    queues = [row.id]
    if row.scope == OVERALL:
        queues = [one.number for one in standing.queues if one.provider == row.provider]
    found: list[_Row] = []
    for queue in queues:
        values = (row.provider, queue, due_ns, most - len(found))
        found += tx.db.execute(_FIND, values).fetchall()
    return found


def _drop(tx: Tx, found: Sequence[_Row], told: str, now_ns: int) -> None:
    if not found:
        return
    abouts = about_deliveries(tx, [uuid for _, uuid, _ in found])
    for _, uuid, attempts in found:
        data: dict[str, Scalar] = {
            "reason": GIVEN_UP,
            "limit": told,
            "attempt": attempts,
        }
        about = abouts[to_uuid(uuid)]
        tx.emit(NewEvent(EventType.DROPPED, now_ns, about, data))
    tx.db.execute(
        "UPDATE delivery SET state = 3, due_ns = NULL, dot_ns = NULL, settled_ns = ?,"
        " last_code = 0, last_text = ?, waits_for = ''"
        " WHERE id IN (SELECT value FROM json_each(?))",
        (now_ns, GIVEN_UP, msgspec.json.encode([row[0] for row in found]).decode()),
    )


def leave_limits(tx: Tx, down: Mapping[ProviderId, Restraint]) -> int:
    """How many wait no longer for a limit of a provider that is down.

    They may go elsewhere, for their pool overflows; a part at a time.
    """
    done = tx.db.execute(
        "UPDATE delivery SET queue = -pool, waits_for = '' WHERE id IN"
        " (SELECT id FROM delivery INDEXED BY delivery_due WHERE provider IN"
        "  (SELECT value FROM json_each(?)) AND queue > 0"
        "  AND due_ns IS NOT NULL AND state = 0 LIMIT ?)"
        " AND pool IN (SELECT id FROM pool WHERE overflow = 1)",
        (msgspec.json.encode([*down]).decode(), BATCH * 4),
    )
    return done.rowcount

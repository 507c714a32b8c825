"""What an operator does with deliveries that wait; safe while mail is being sent.

A delivery that the relay has claimed is never touched. Whatever was found a
moment ago is looked at again in the transaction that changes it.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

import msgspec

from appliance.core.delivery import State
from appliance.core.event import EventType, NewEvent, Scalar
from appliance.core.ids import DeliveryId
from appliance.core.queue import TOUCHES, Act, Order, Tally
from appliance.store.about import about_deliveries
from appliance.store.queue import MATCHES, values_of
from appliance.store.transaction import Tx, to_uuid

HELD = "Held by the operator"
DROPPED = "Dropped by the operator"

_FIND = (
    "SELECT d.id, d.state, d.due_ns, d.pool, d.attempts, d.uuid FROM delivery AS d"
    " WHERE d.id IN (SELECT value FROM json_each(:ids)) AND :matches"
).replace(":matches", MATCHES)
_Row: TypeAlias = tuple[int, int, int | None, int, int, bytes]
# A final dot that may have left is forgotten with the state that came of it.
_CHANGES: Mapping[Act, str] = MappingProxyType(
    {
        Act.HOLD: "state = 4, due_ns = NULL, dot_ns = NULL, waits_for = :why",
        Act.RELEASE: "state = 0, due_ns = :now, dot_ns = NULL, waits_for = '',"
        " queue = iif(provider IS NULL, 0, -pool * (SELECT overflow FROM pool"
        "  WHERE pool.id = delivery.pool))",
        # A limit, or an upstream that is down, still holds what waited for it.
        Act.RETRY: "state = 0, due_ns = :now, dot_ns = NULL,"
        " waits_for = CASE state WHEN 5 THEN '' ELSE waits_for END",
        Act.DROP: "state = 3, due_ns = NULL, dot_ns = NULL, settled_ns = :now,"
        " last_code = 0, last_text = :why, waits_for = ''",
        # What waited for something of its old pool need not wait any longer.
        Act.MOVE: "pool = :pool, provider = NULL, queue = 0, draw = '',"
        " due_ns = CASE WHEN state = 0 AND waits_for <> '' THEN min(due_ns, :now)"
        "  ELSE due_ns END,"
        " waits_for = CASE state WHEN 0 THEN '' ELSE waits_for END",
    }
)
_WHY: Mapping[Act, str] = MappingProxyType({Act.HOLD: HELD, Act.DROP: DROPPED})


def change_waiting(
    tx: Tx, order: Order, deliveries: Sequence[DeliveryId], now_ns: int
) -> Tally:
    """What was done with those of the deliveries that the order still is about.

    One that is dropped, or is in doubt no longer, gets an event that says so.
    """
    values = {**values_of(order.wanted), "ids": _json(deliveries)}
    found: list[_Row] = tx.db.execute(_FIND, values).fetchall()
    touched = {DeliveryId(row[0]): row for row in found if _touches(order, row, now_ns)}
    _tell(tx, order.act, touched, now_ns)  # in the words of before the change
    tx.db.execute(
        "UPDATE delivery SET :change"
        " WHERE id IN (SELECT value FROM json_each(:ids))".replace(
            ":change", _CHANGES[order.act]
        ),
        {
            "ids": _json([*touched]),
            "now": now_ns,
            "why": _WHY.get(order.act, ""),
            "pool": order.pool,
        },
    )
    in_flight = sum(row[1] == State.IN_FLIGHT for row in found)
    return Tally(len(touched), in_flight, len(found) - len(touched) - in_flight)


def _touches(order: Order, row: _Row, now_ns: int) -> bool:
    """True if the order changes anything about this delivery."""
    _, state, due_ns, pool, *_ = row
    if state not in TOUCHES[order.act]:
        return False
    if order.act is Act.RETRY:  # what is due keeps its place
        return state == State.IN_DOUBT or due_ns is None or due_ns > now_ns
    return order.act is not Act.MOVE or pool != order.pool


def _tell(tx: Tx, act: Act, touched: Mapping[DeliveryId, _Row], now_ns: int) -> None:
    """Record what becomes of those whose end, or doubt, this is."""
    told = {
        to_uuid(row[5]): row
        for row in touched.values()
        if act is Act.DROP or row[1] == State.IN_DOUBT
    }
    if not told:
        return
    abouts = about_deliveries(tx, [uuid.bytes for uuid in told])
    for uuid, row in told.items():
        about = abouts[uuid]
        if act is Act.DROP:
            data: dict[str, Scalar] = {"reason": DROPPED, "attempt": row[4]}
            tx.emit(NewEvent(EventType.DROPPED, now_ns, about, data))
        else:
            tx.emit(NewEvent(EventType.IN_DOUBT, now_ns, about, _DOUBT[act]))


_DOUBT: Mapping[Act, Mapping[str, Scalar]] = MappingProxyType(
    {
        Act.HOLD: MappingProxyType({"policy": "hold", "reason": HELD}),
        Act.RETRY: MappingProxyType(
            {"policy": "resend", "reason": "Sent again by the operator"}
        ),
    }
)


def _json(ids: Sequence[int]) -> str:
    return msgspec.json.encode(ids).decode()

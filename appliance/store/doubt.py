"""What may have been sent: noted before its final dot leaves, settled afterwards.

The note (``dot_ns``) is on disk before the dot is on the wire, and goes with the
settlement. So those that are in flight and noted when a process ends are exactly
those that an upstream may have taken without our knowing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

import msgspec

from appliance import failpoint
from appliance.core.attempt import Ending
from appliance.core.delivery import Settlement, State
from appliance.core.doubt import Doubtful, doubted, proven
from appliance.core.ids import DeliveryId, ProviderId
from appliance.smtp.outcome import Stage
from appliance.smtp.trail import Trail
from appliance.store.about import about_deliveries
from appliance.store.attempt_codec import encode_trail
from appliance.store.deliveries import settle_from
from appliance.store.rows import ids_where
from appliance.store.transaction import Tx, View, in_list, to_uuid
from appliance.value import value

ENDED = "Postroom ended before it read the answer to the final dot"

_NOTED = "state = 1 AND state <> 0 AND settled_ns IS NULL AND dot_ns IS NOT NULL"
_FIND_NOTED = "SELECT uuid FROM delivery WHERE :noted".replace(":noted", _NOTED)
# Who may have taken it is remembered: it may move on from there. What was said was in
# memory.
_RECORD_TRIES = (
    "INSERT INTO attempt (delivery, provider, began_ns, ended_ns, ending, stage,"
    " code, text, detail)"
    " SELECT id, provider, dot_ns, dot_ns, ?, ?, 0, ?, ? FROM delivery"
    " WHERE :noted AND provider IS NOT NULL ORDER BY id"
).replace(":noted", _NOTED)
_DOUBT_NOTED = (
    "UPDATE delivery SET state = 5, due_ns = ?, attempts = attempts + 1,"
    " last_code = 0, last_text = ? WHERE :noted"
).replace(":noted", _NOTED)

_SELECT = (
    "SELECT id, uuid, provider, attempts, last_code, last_text,"
    " EXISTS (SELECT 1 FROM event WHERE event.delivery = delivery.uuid"
    "  AND event.type IN (60, 63, 64))"
    " OR EXISTS (SELECT 1 FROM deferral WHERE deferral.delivery = delivery.id)"
    " FROM delivery"
)
_OVERDUE = (
    f"{_SELECT}"
    " WHERE state = 5 AND state <> 0 AND settled_ns IS NULL AND due_ns <= ?"
    " ORDER BY due_ns LIMIT ?"
)
_ONE = f"{_SELECT} WHERE uuid = ? AND state = 5"
_MANY = f"{_SELECT} WHERE uuid IN (:values) AND state IN (4, 5)"
_Row: TypeAlias = tuple[int, bytes, int | None, int, int, str, int]


@value
class Dot:
    """A final dot that is about to leave."""

    delivery: DeliveryId
    at_ns: int


@dataclass(frozen=True, slots=True)
class Rescued:
    """What was in flight when a process ended."""

    queued: int
    in_doubt: int


def note_dots(tx: Tx, dots: Sequence[Dot]) -> list[bool]:
    """For each dot whether it may leave; a batch function.

    It may not if the delivery is no longer in flight.
    """
    ids = msgspec.json.encode([dot.delivery for dot in dots]).decode()
    noted = tx.db.execute(
        "UPDATE delivery SET dot_ns = ?"
        " WHERE id IN (SELECT value FROM json_each(?)) AND state = 1",
        (dots[-1].at_ns, ids),
    ).rowcount
    failpoint.reach("dot.before_mark")
    if noted == len(dots):
        return [True] * noted
    ours = ids_where(
        tx.db,
        "SELECT id FROM delivery"
        " WHERE id IN (SELECT value FROM json_each(?)) AND state = 1",
        ids,
    )
    return [dot.delivery in ours for dot in dots]


def rescue(tx: Tx, now_ns: int, wait_ns: int) -> Rescued:
    """Take back what was in flight when a process ended.

    What was noted is in doubt for ``wait_ns``, which is recorded, and a try; all
    else is due now. For the start, before anything is claimed.
    """
    in_doubt = [uuid for (uuid,) in tx.db.execute(_FIND_NOTED)]
    if in_doubt:
        what = (Ending.IN_DOUBT.value, Stage.DOT.value, ENDED, encode_trail(Trail()))
        tx.db.execute(_RECORD_TRIES, what)
        tx.db.execute(_DOUBT_NOTED, (now_ns + wait_ns, ENDED))
        for about in about_deliveries(tx, in_doubt).values():
            tx.emit(doubted(about, ENDED, now_ns))
    queued = tx.db.execute(
        "UPDATE delivery SET state = 0, due_ns = ?"
        " WHERE state = 1 AND state <> 0 AND settled_ns IS NULL",
        (now_ns,),
    ).rowcount
    return Rescued(queued, len(in_doubt))


def list_overdue(view: View, now_ns: int, limit: int) -> list[Doubtful]:
    """Those in doubt whose time for evidence is over, longest first."""
    rows = view.db.execute(_OVERDUE, (now_ns, limit))
    return _doubtful(view, rows.fetchall())


def next_overdue_ns(view: View) -> int | None:
    """When the next one's time is over, None if none is in doubt."""
    (due_ns,) = view.db.execute(
        "SELECT min(due_ns) FROM delivery"
        " WHERE state = 5 AND state <> 0 AND settled_ns IS NULL"
    ).fetchone()
    return None if due_ns is None else int(due_ns)


def settle_doubts(tx: Tx, items: Sequence[Settlement]) -> list[bool]:
    """For each settlement whether it counted: the delivery was still in doubt.

    A batch function; only what counted is recorded.
    """
    return settle_from(tx, State.IN_DOUBT, items)


def settle_doubt(
    tx: Tx, delivery: UUID, *, was_sent: bool, evidence: str, now_ns: int
) -> bool:
    """True if evidence came in time: sent for good, or due again at once."""
    rows = tx.db.execute(_ONE, (delivery.bytes,)).fetchall()
    items = [
        proven(one, evidence, now_ns, was_sent=was_sent) for one in _doubtful(tx, rows)
    ]
    return any(settle_doubts(tx, items))


def prove_sent(tx: Tx, uuids: list[bytes], evidence: str, now_ns: int) -> int:
    """How many of these were in doubt, or held, and are now known to be sent.

    ``uuids`` must not be empty.
    """
    rows = tx.db.execute(*in_list(_MANY, uuids)).fetchall()
    items = [
        proven(one, evidence, now_ns, was_sent=True) for one in _doubtful(tx, rows)
    ]
    return sum(settle_doubts(tx, items)) + sum(settle_from(tx, State.HELD, items))


def _doubtful(view: View, rows: list[_Row]) -> list[Doubtful]:
    if not rows:
        return []
    abouts = about_deliveries(view, [row[1] for row in rows])
    return [
        Doubtful(
            DeliveryId(id_),
            None if provider is None else ProviderId(provider),
            attempts,
            code,
            text,
            abouts[to_uuid(uuid)],
            bool(reported),
        )
        for id_, uuid, provider, attempts, code, text, reported in rows
    ]

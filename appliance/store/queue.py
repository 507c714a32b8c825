"""The unfinished deliveries as an operator looks at them: found, listed, counted.

The finished ones are history and never read: a look goes over two small indexes,
that of what is queued and that of the rest, or follows the one id that it names.
With a million waiting it takes a second or two, on a reading connection, so
that no mail waits for it.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias
from uuid import UUID

import msgspec

from appliance.core.delivery import State
from appliance.core.ids import DeliveryId, SubAccountId
from appliance.core.queue import NOT_DRAWN, UNFINISHED, By, QueueFilter, Waiting
from appliance.core.queue_words import state_word
from appliance.store.rows import Value
from appliance.store.tokens import Tokens
from appliance.store.transaction import View, to_uuid
from appliance.store.waits import load_waits

MAX_GROUPS = 1_000  # reasons hold what upstreams say, so there may be very many
NO_END = 2**63 - 1

# What a filter wants of a delivery d, with the values of ``values_of``.
MATCHES = (
    "d.settled_ns IS NULL AND (:states >> d.state) & 1"
    " AND (:provider = '' OR d.provider = (SELECT id FROM provider"
    "  WHERE name = :provider) OR (:provider = :not_drawn AND d.provider IS NULL))"
    " AND (:pool = '' OR d.pool = (SELECT id FROM pool WHERE name = :pool))"
    " AND (:domain = '' OR d.recipient_domain = :domain)"
    " AND (:sender = '' OR :sender = (SELECT substr(sender, -length(:sender))"
    "  FROM message WHERE id = d.message))"
    " AND (:reason = '' OR instr(lower(d.last_text), lower(:reason))"
    "  OR instr(lower(d.waits_for), lower(:reason)))"
    " AND (:before IS NULL OR d.created_ns < :before)"
    " AND (:sub_account IS NULL OR d.sub_account = :sub_account)"
    " AND (:delivery IS NULL OR d.uuid = :delivery)"
    " AND (:message IS NULL OR d.message ="
    "  (SELECT id FROM message WHERE uuid = :message))"
)
# Where they are. INDEXED BY: a plan that reads all of history is an error.
_BY_DELIVERY = "FROM delivery AS d WHERE d.uuid = :delivery"
_BY_MESSAGE = (
    "FROM delivery AS d INDEXED BY delivery_message"
    " WHERE d.message = (SELECT id FROM message WHERE uuid = :message)"
)
_QUEUED = (
    "FROM delivery AS d INDEXED BY delivery_due"
    " WHERE d.due_ns IS NOT NULL AND d.state = 0"
)
_OTHERS = (
    "FROM delivery AS d INDEXED BY delivery_taken"
    " WHERE d.settled_ns IS NULL AND d.state <> 0"
)

_IDS = "SELECT d.id {} AND d.id > :after AND d.id <= :until AND " + MATCHES
_LIST = (
    "SELECT d.id, d.uuid, m.uuid, d.sub_account, m.sender, d.recipient, m.subject,"
    " coalesce(pool.name, ''), coalesce(provider.name, ''), d.state, d.attempts,"
    " d.created_ns, d.due_ns, d.last_code, d.last_text, d.waits_for, d.draw,"
    " d.provider, d.queue"
    " FROM delivery AS d CROSS JOIN message AS m ON m.id = d.message"
    " LEFT JOIN pool ON pool.id = d.pool"
    " LEFT JOIN provider ON provider.id = d.provider"
    " WHERE d.id IN (SELECT value FROM json_each(?)) ORDER BY d.id"
)
_WaitingRow: TypeAlias = tuple[
    int,
    bytes,
    bytes,
    int,
    str,
    str,
    str,
    str,
    str,
    int,
    int,
    int,
    int | None,
    int,
    str,
    str,
    str,
    int | None,
    int,
]
_KEYS: Mapping[By, str] = MappingProxyType(
    {
        By.STATE: "d.state",
        By.PROVIDER: "d.provider",
        By.POOL: "d.pool",
        By.DOMAIN: "d.recipient_domain",
        By.REASON: "substr(CASE d.waits_for WHEN '' THEN d.last_text"
        " ELSE d.waits_for END, 1, 200)",
    }
)
_NAMES: Mapping[By, str] = MappingProxyType(
    {
        By.PROVIDER: "coalesce((SELECT name FROM provider WHERE id = key), '')",
        By.POOL: "coalesce((SELECT name FROM pool WHERE id = key), '')",
    }
)


def values_of(wanted: QueueFilter) -> dict[str, Value]:
    """What the marks in ``MATCHES`` stand for."""
    return {
        "states": sum(1 << state for state in wanted.states or UNFINISHED),
        "provider": wanted.provider,
        "not_drawn": NOT_DRAWN,
        "pool": wanted.pool,
        "domain": wanted.domain,
        "sender": f"@{wanted.sender_domain}" if wanted.sender_domain else "",
        "reason": wanted.reason,
        "before": wanted.before_ns,
        "sub_account": wanted.sub_account,
        "delivery": _bytes(wanted.delivery),
        "message": _bytes(wanted.message),
    }


def find_waiting(
    view: View, wanted: QueueFilter, limit: int, *, after: int = 0, until: int = NO_END
) -> list[DeliveryId]:
    """The row ids of at most ``limit`` deliveries, in their order.

    Those are looked at that came ``after`` a row id, and not behind ``until``.
    """
    arms = " UNION ALL ".join(_IDS.format(arm) for arm in _arms(wanted))
    (found,) = view.db.execute(
        "SELECT json_group_array(id) FROM (SELECT id FROM (:arms)"
        " ORDER BY id LIMIT :limit)".replace(":arms", arms),
        {**values_of(wanted), "after": after, "until": until, "limit": limit},
    ).fetchone()
    return sorted(msgspec.json.decode(found, type=list[DeliveryId]))


def list_waiting(
    view: View, wanted: QueueFilter, limit: int, *, now_ns: int, after: int = 0
) -> list[Waiting]:
    """At most ``limit`` deliveries behind the number ``after``, oldest first.

    What limits hold back is told as it is at ``now_ns``.
    """
    found = find_waiting(view, wanted, limit, after=after)
    rows = view.db.execute(_LIST, (msgspec.json.encode(found).decode(),))
    limits = load_waits(view, now_ns)
    return [_waiting(row, limits) for row in rows]


def count_waiting(
    view: View, wanted: QueueFilter, by: By
) -> tuple[int, dict[str, int]]:
    """How many there are, and how many of each kind, the most frequent first.

    "" is the name of what has none. Of very many kinds the most frequent are told.
    """
    key, name = _KEYS[by], _NAMES.get(by, "key")
    arms = " UNION ALL ".join(
        f"SELECT {key} AS key {arm} AND {MATCHES}" for arm in _arms(wanted)
    )
    rows = view.db.execute(
        "SELECT :name, number, sum(number) OVER () FROM (SELECT key, count(*) AS number"
        " FROM (:arms) GROUP BY key) ORDER BY number DESC, key LIMIT :most".replace(
            ":name", name
        ).replace(":arms", arms),
        {**values_of(wanted), "most": MAX_GROUPS},
    ).fetchall()
    total = rows[0][2] if rows else 0
    if by is By.STATE:
        return total, {state_word(State(key)): number for key, number, _ in rows}
    return total, {key: number for key, number, _ in rows}


def last_delivery(view: View) -> DeliveryId:
    """The row id of the delivery that came in last, 0 if there is none."""
    (last,) = view.db.execute("SELECT coalesce(max(id), 0) FROM delivery").fetchone()
    return DeliveryId(last)


def find_unknown(view: View, wanted: QueueFilter) -> str:
    """What is wrong with the names in a filter, "" if they are known."""
    for kind, name in (("provider", wanted.provider), ("pool", wanted.pool)):
        sought = f"SELECT 1 FROM {kind} WHERE name = ?"  # noqa: S608 - our own text
        known = not name or (kind, name) == ("provider", NOT_DRAWN)
        if not known and view.db.execute(sought, (name,)).fetchone() is None:
            return f"there is no {kind} {name}"
    return ""


def _arms(wanted: QueueFilter) -> Sequence[str]:
    """Where to look, so that no delivery is found twice."""
    if wanted.delivery is not None:
        return (_BY_DELIVERY,)
    if wanted.message is not None:
        return (_BY_MESSAGE,)
    if wanted.states == {State.QUEUED}:
        return (_QUEUED,)
    if wanted.states and State.QUEUED not in wanted.states:
        return (_OTHERS,)
    return (_QUEUED, _OTHERS)


def _waiting(row: _WaitingRow, limits: Tokens) -> Waiting:
    number, uuid, message, sub_account, *_ = row
    limit = limits.of_waiting(State(row[9]), row[17], row[18], row[12])
    return Waiting(
        number=DeliveryId(number),
        uuid=to_uuid(uuid),
        message=to_uuid(message),
        sub_account=SubAccountId(sub_account),
        sender=row[4],
        recipient=row[5],
        subject=row[6],
        pool=row[7],
        provider=row[8],
        state=State(row[9]),
        attempts=row[10],
        created_ns=row[11],
        due_ns=row[12],
        last_code=row[13],
        last_text=row[14],
        waits_for=row[15] if limit is None else limit[0],
        waits_until_ns=None if limit is None else limit[1],
        draw=row[16],
    )


def _bytes(uuid: UUID | None) -> bytes | None:
    return None if uuid is None else uuid.bytes

"""How the queues stand, which a claim must know before it reads any: in one step.

A queue is what waits for one provider for one reason (``delivery.queue``). Which there
are is found by leaps over the index: a few for each queue, none for what waits in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import msgspec

from appliance.core.ids import PoolId, ProviderId
from appliance.store.throttle import THROTTLE, ThrottleRow
from appliance.store.transaction import View

_QUEUED = "due_ns IS NOT NULL AND state = 0"
_INDEX = "FROM delivery INDEXED BY delivery_due WHERE"
# SQLite takes the first of an index for an aggregate only where nothing else is asked.
QUEUES = (
    "WITH RECURSIVE holder(provider) AS (SELECT (SELECT provider :index"
    "  provider IS NOT NULL AND :queued ORDER BY provider LIMIT 1)"
    " UNION ALL SELECT (SELECT provider :index provider > holder.provider"
    "  AND :queued ORDER BY provider LIMIT 1)"
    "  FROM holder WHERE holder.provider IS NOT NULL),"
    " pair(provider, queue) AS (SELECT provider, (SELECT queue :index"
    "  provider = holder.provider AND :queued ORDER BY queue LIMIT 1)"
    "  FROM holder WHERE provider IS NOT NULL"
    " UNION ALL SELECT provider, (SELECT queue :index"
    "  provider = pair.provider AND queue > pair.queue AND :queued"
    "  ORDER BY queue LIMIT 1)"
    "  FROM pair WHERE queue IS NOT NULL)"
    " SELECT provider, queue FROM pair WHERE queue IS NOT NULL"
    " UNION ALL SELECT NULL, 0"
).replace(":index", _INDEX)
QUEUES = QUEUES.replace(":queued", _QUEUED)
_DUE = (
    "(SELECT count(*) FROM (SELECT 1 :index provider IS one.provider"
    " AND queue = one.queue AND due_ns <= :now AND :queued LIMIT :most))"
)
_DUE = _DUE.replace(":index", _INDEX).replace(":queued", _QUEUED)
STANDING = (
    "SELECT json_object("  # noqa: S608 - our own text
    "'queues', (SELECT json_group_array(json_array(provider, queue, " + _DUE + "))"
    "  FROM (" + QUEUES + ") AS one),"
    " 'providers', (SELECT json_group_array(json_array(id, name)) FROM provider),"
    " 'overflowing', (SELECT json_group_array(id) FROM pool WHERE overflow = 1),"
    " 'throttles', (SELECT json_group_array(" + THROTTLE + ") FROM throttle AS t),"
    " 'tenants', (SELECT count(*) FROM (SELECT 1 FROM sub_account LIMIT 2)))"
)


class Queue(msgspec.Struct, array_like=True, frozen=True):
    """A queue with how many are due in it, counted no further than was asked."""

    provider: int | None
    number: int
    due: int

    @property
    def key(self) -> tuple[int | None, int]:
        """Which queue it is."""
        return self.provider, self.number


class _Found(msgspec.Struct, frozen=True):
    queues: list[Queue]
    providers: list[tuple[int, str]]
    overflowing: list[int]
    throttles: list[ThrottleRow]
    tenants: int


_found = msgspec.json.Decoder(_Found).decode


@dataclass(frozen=True)
class Standing:
    """All queues in which anything waits, and that of what is not drawn yet."""

    queues: list[Queue]
    providers: Mapping[ProviderId, str]
    overflowing: frozenset[PoolId]
    throttles: list[ThrottleRow]
    shared: bool  # there are several sub-accounts

    @cached_property
    def waiting(self) -> frozenset[int]:
        """The throttles in whose queues mail waits."""
        return frozenset(one.number for one in self.queues if one.number > 0)

    def base(self, pool: int) -> int:
        """The queue of the pool's mail, at whatever provider."""
        return -pool if pool in self.overflowing else 0


def load_standing(view: View, now_ns: int, most: int) -> Standing:
    """How the queues stand; what is due in each is counted up to ``most``."""
    (found,) = view.db.execute(STANDING, {"now": now_ns, "most": most}).fetchone()
    one = _found(found)
    return Standing(
        one.queues,
        {ProviderId(id_): name for id_, name in one.providers},
        frozenset(map(PoolId, one.overflowing)),
        one.throttles,
        one.tenants > 1,
    )

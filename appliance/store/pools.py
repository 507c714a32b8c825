"""Pools: which providers, by which routes, and which pool is the default.

The credits of the shares are rows, so that shares are true over restarts too.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from appliance.core.ids import PoolId, ProviderId, uuid7
from appliance.core.pool import (
    ONLY,
    NewPool,
    Pool,
    Route,
    Routing,
    Share,
    balance,
    by_shares,
    check_pool,
)
from appliance.core.provider import Kind
from appliance.store.providers import NewProvider, add_provider
from appliance.store.rows import Row, insert_rows
from appliance.store.transaction import Tx, View, to_uuid

SANDBOX_POOL = "sandbox"
CAPTURE_PROVIDER = "capture"
NO_SUCH_POOL = "there is no such pool"
# Mail under test keys goes there, and is promised to go to nobody.
SANDBOX_SENDS_NOTHING = (
    f"the pool {SANDBOX_POOL} keeps mail for viewing and sends none: make another pool"
)

_PoolRow: TypeAlias = tuple[int, bytes, str, int, int, int, int | None, int]


@dataclass(frozen=True, slots=True)
class PoolRemoval:
    """What became of the wish to remove a pool.

    The default pool stays, and so does one in which ``waiting`` deliveries are
    not finished, or to which the pools ``feeders`` overflow.
    """

    found: bool
    is_default: bool = False
    waiting: int = 0
    feeders: tuple[str, ...] = ()

    @property
    def removed(self) -> bool:
        """True if the pool is gone."""
        stays = self.is_default or self.waiting or self.feeders
        return self.found and not stays


def add_pool(tx: Tx, new: NewPool) -> Pool | str:
    """The pool as stored, or a sentence about what is wrong with it."""
    if wrong := _find_fault(tx, new, None):
        return wrong
    tx.configuration_changed()
    id_ = tx.db.execute(
        "INSERT INTO pool (uuid, name, routing, overflow, overflow_pool, created_ns)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (uuid7().bytes, *_settings(new), time.time_ns()),
    ).lastrowid
    assert id_ is not None
    _put_shares(tx, PoolId(id_), new)
    return _get(tx, PoolId(id_))


def update_pool(tx: Tx, pool: PoolId, new: NewPool) -> Pool | str:
    """The pool with all its settings replaced, or what is wrong with them.

    What its members are owed by the draws so far stays with those that stay. Mail
    that waits for its provider may go elsewhere from now on if the pool says so.
    """
    if wrong := _find_fault(tx, new, pool):
        return wrong
    tx.configuration_changed()
    tx.db.execute(
        "UPDATE pool SET name = ?, routing = ?, overflow = ?, overflow_pool = ?"
        " WHERE id = ?",
        (*_settings(new), pool),
    )
    _put_shares(tx, pool, new)
    if new.overflow:
        _let_go(tx, pool)
    return _get(tx, pool)


def ensure_sandbox(tx: Tx) -> None:
    """Make the pool that keeps mail and sends none, unless it is there.

    It becomes the default pool if there is no other default.
    """
    if any(pool.name == SANDBOX_POOL for pool in list_pools(tx)):
        return
    provider = add_provider(tx, NewProvider(CAPTURE_PROVIDER, Kind.CAPTURE))
    assert provider is not None
    pool = add_pool(tx, by_shares(SANDBOX_POOL, [(provider.id, 100)]))
    assert isinstance(pool, Pool)
    tx.db.execute(
        "UPDATE pool SET is_default = 1 WHERE id = ?"
        " AND NOT EXISTS (SELECT 1 FROM pool WHERE is_default = 1)",
        (pool.id,),
    )


def list_pools(view: View) -> list[Pool]:
    """All pools, oldest first."""
    routes = _load_routes(view)
    rows = view.db.execute(
        "SELECT id, uuid, name, is_default, routing, overflow, overflow_pool,"
        " created_ns FROM pool ORDER BY id"
    )
    return [_pool(row, routes[PoolId(row[0])]) for row in rows]


def set_default_pool(tx: Tx, pool: PoolId) -> bool:
    """True if the pool is there; it is the default now, and the only one."""
    if not tx.db.execute("SELECT 1 FROM pool WHERE id = ?", (pool,)).fetchone():
        return False
    tx.configuration_changed()
    tx.db.execute("UPDATE pool SET is_default = 0 WHERE is_default = 1")
    tx.db.execute("UPDATE pool SET is_default = 1 WHERE id = ?", (pool,))
    return True


def remove_pool(tx: Tx, pool: PoolId) -> PoolRemoval:
    """Remove a pool, unless it is the default, mail waits in it, or one feeds it."""
    row = tx.db.execute("SELECT is_default FROM pool WHERE id = ?", (pool,)).fetchone()
    if row is None:
        return PoolRemoval(found=False)
    feeders = tx.db.execute(
        "SELECT name FROM pool WHERE overflow_pool = ? ORDER BY name", (pool,)
    )
    names = tuple(name for (name,) in feeders)
    removal = PoolRemoval(True, bool(row[0]), _count_waiting(tx, pool), names)
    if removal.removed:
        tx.configuration_changed()
        tx.db.execute("DELETE FROM pool WHERE id = ?", (pool,))
    return removal


def _settings(new: NewPool) -> tuple[str, int, int, PoolId | None]:
    return new.name, new.routing.value, int(new.overflow), new.overflow_pool


def _get(view: View, pool: PoolId) -> Pool:
    return next(one for one in list_pools(view) if one.id == pool)


# --- shares -------------------------------------------------------------------


def _put_shares(tx: Tx, pool: PoolId, new: NewPool) -> None:
    """Replace the shares; a member that stays in a route keeps its credit there."""
    owed = {
        (route, provider): credit
        for route, provider, credit in tx.db.execute(
            "SELECT route, provider, credit FROM pool_share WHERE pool = ?", (pool,)
        )
    }
    tx.db.execute("DELETE FROM pool_share WHERE pool = ?", (pool,))
    rows: list[Row] = []
    for place, route in enumerate(_stored_routes(new)):
        shares = [
            Share(provider, percent, owed.get((route.key, provider), 0))
            for provider, percent in route.members
        ]
        balance([share for share in shares if share.percent])
        rows += _share_rows(pool, route.key, place, shares)
    insert_rows(
        tx.db,
        "INSERT INTO pool_share"
        " (pool, route, place, position, provider, percent, credit)",
        rows,
    )


def _share_rows(
    pool: PoolId, key: str, place: int, shares: Sequence[Share]
) -> Iterable[Row]:
    for position, share in enumerate(shares):
        yield pool, key, place, position, share.provider, share.percent, share.credit


def _stored_routes(new: NewPool) -> list[Route]:
    """The route of all members, and behind it those of the keys."""
    weights = dict(new.shares)
    default = 0 if new.routing is Routing.SHARES else 1
    members = tuple((one, weights.get(one, default)) for one in new.members)
    keyed = new.routes if new.routing.has_keys else ()
    return [Route(ONLY, members), *keyed]


def _load_routes(view: View) -> defaultdict[PoolId, list[Route]]:
    members: defaultdict[tuple[PoolId, str], list[tuple[ProviderId, int]]]
    members = defaultdict(list)
    for pool, route, provider, percent in view.db.execute(
        "SELECT pool, route, provider, percent FROM pool_share"
        " ORDER BY pool, place, position"
    ):
        members[pool, route].append((ProviderId(provider), percent))
    routes: defaultdict[PoolId, list[Route]] = defaultdict(list)
    for (pool, route), one in members.items():
        routes[pool].append(Route(route, tuple(one)))
    return routes


def _pool(row: _PoolRow, stored: Sequence[Route]) -> Pool:
    id_, uuid, name, is_default, routing, overflow, overflow_pool, created_ns = row
    how = Routing(routing)
    everybody = stored[0].members if stored else ()
    weighty = Route(ONLY, tuple(one for one in everybody if one[1]))
    return Pool(
        name,
        how,
        tuple(provider for provider, _ in everybody),
        tuple(stored[1:]) if how.has_keys else (weighty,),
        bool(overflow),
        None if overflow_pool is None else PoolId(overflow_pool),
        id=PoolId(id_),
        uuid=to_uuid(uuid),
        is_default=bool(is_default),
        created_ns=created_ns,
    )


# --- what is wrong, and what waits ----------------------------------------------


def _find_fault(tx: Tx, new: NewPool, pool: PoolId | None) -> str:
    known = dict(tx.db.execute("SELECT id, name FROM pool").fetchall())
    if pool is not None and pool not in known:
        return NO_SUCH_POOL
    if any(name == new.name and id_ != pool for id_, name in known.items()):
        return f"there is a pool {new.name} already"
    if new.overflow_pool is not None and new.overflow_pool not in known:
        return "there is no such pool to overflow to"
    if new.overflow_pool is not None and new.overflow_pool == pool:
        return "a pool cannot overflow to itself"
    return _find_wrong_member(tx, new) or check_pool(new)


def _find_wrong_member(view: View, new: NewPool) -> str:
    kinds = dict(view.db.execute("SELECT id, kind FROM provider").fetchall())
    if not kinds.keys() >= set(new.members):
        return "there is no such provider"
    sends = any(kinds[one] != Kind.CAPTURE.value for one in new.members)
    if new.name == SANDBOX_POOL and (sends or new.overflow):
        return SANDBOX_SENDS_NOTHING
    return ""


def _let_go(tx: Tx, pool: PoolId) -> None:
    """Have the pool's mail stand where it may leave a provider that is down.

    Also what is in flight, held or in doubt: it may be queued again.
    """
    # Reads all that is unfinished, as _count_waiting does, and as seldom.
    tx.db.execute(
        "UPDATE delivery SET queue = -pool WHERE id IN"
        " (SELECT id FROM delivery WHERE due_ns IS NOT NULL AND state = 0"
        "   AND provider IS NOT NULL AND queue = 0 AND pool = :pool"
        "  UNION ALL SELECT id FROM delivery WHERE settled_ns IS NULL AND state <> 0"
        "   AND provider IS NOT NULL AND queue = 0 AND pool = :pool)",
        {"pool": pool},
    )


def _count_waiting(view: View, pool: PoolId) -> int:
    # Reads all that is unfinished: an index would tax every delivery for the
    # sake of a question that is asked once a year.
    (count,) = view.db.execute(
        "SELECT (SELECT count(*) FROM delivery"
        "  WHERE due_ns IS NOT NULL AND state = 0 AND pool = :pool) +"
        " (SELECT count(*) FROM delivery"
        "  WHERE settled_ns IS NULL AND state <> 0 AND pool = :pool)",
        {"pool": pool},
    ).fetchone()
    return int(count)

"""Pools: which providers, by which shares, and which pool is the default.

The credits of the shares are rows, so that shares are true over restarts too.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.core.ids import PoolId, ProviderId, uuid7
from appliance.core.pool import Pool, Share, check_shares
from appliance.core.provider import Kind
from appliance.store.providers import NewProvider, add_provider
from appliance.store.transaction import Tx, View, to_uuid

SANDBOX_POOL = "sandbox"
CAPTURE_PROVIDER = "capture"


@dataclass(frozen=True, slots=True)
class PoolRemoval:
    """What became of the wish to remove a pool.

    The default pool stays, and so does one in which ``waiting`` deliveries are
    not finished.
    """

    found: bool
    is_default: bool = False
    waiting: int = 0

    @property
    def removed(self) -> bool:
        """True if the pool is gone."""
        return self.found and not self.is_default and not self.waiting


def add_pool(tx: Tx, name: str, shares: Sequence[tuple[ProviderId, int]]) -> Pool | str:
    """The pool as stored, or a sentence about what is wrong with it."""
    if wrong := _find_fault(tx, name, shares):
        return wrong
    tx.configuration_changed()
    uuid = uuid7()
    id_ = tx.db.execute(
        "INSERT INTO pool (uuid, name) VALUES (?, ?)", (uuid.bytes, name)
    ).lastrowid
    assert id_ is not None
    tx.db.executemany(
        "INSERT INTO pool_share (pool, position, provider, percent)"
        " VALUES (?, ?, ?, ?)",
        [(id_, position, *share) for position, share in enumerate(shares)],
    )
    return Pool(PoolId(id_), uuid, name, is_default=False, shares=tuple(shares))


def ensure_sandbox(tx: Tx) -> None:
    """Make the pool that keeps mail and sends none, unless it is there.

    It becomes the default pool if there is no other default.
    """
    if any(pool.name == SANDBOX_POOL for pool in list_pools(tx)):
        return
    provider = add_provider(tx, NewProvider(CAPTURE_PROVIDER, Kind.CAPTURE))
    assert provider is not None
    pool = add_pool(tx, SANDBOX_POOL, [(provider.id, 100)])
    assert isinstance(pool, Pool)
    tx.db.execute(
        "UPDATE pool SET is_default = 1 WHERE id = ?"
        " AND NOT EXISTS (SELECT 1 FROM pool WHERE is_default = 1)",
        (pool.id,),
    )


def list_pools(view: View) -> list[Pool]:
    """All pools, oldest first."""
    shares: defaultdict[int, list[tuple[ProviderId, int]]] = defaultdict(list)
    for pool, provider, percent in view.db.execute(
        "SELECT pool, provider, percent FROM pool_share ORDER BY pool, position"
    ):
        shares[pool].append((ProviderId(provider), percent))
    rows = view.db.execute("SELECT id, uuid, name, is_default FROM pool ORDER BY id")
    return [
        Pool(PoolId(id_), to_uuid(uuid), name, bool(default), tuple(shares[id_]))
        for id_, uuid, name, default in rows
    ]


def set_default_pool(tx: Tx, pool: PoolId) -> bool:
    """True if the pool is there; it is the default now, and the only one."""
    if not tx.db.execute("SELECT 1 FROM pool WHERE id = ?", (pool,)).fetchone():
        return False
    tx.configuration_changed()
    tx.db.execute("UPDATE pool SET is_default = 0 WHERE is_default = 1")
    tx.db.execute("UPDATE pool SET is_default = 1 WHERE id = ?", (pool,))
    return True


def remove_pool(tx: Tx, pool: PoolId) -> PoolRemoval:
    """Remove a pool, unless it is the default or mail waits in it."""
    row = tx.db.execute("SELECT is_default FROM pool WHERE id = ?", (pool,)).fetchone()
    if row is None:
        return PoolRemoval(found=False)
    removal = PoolRemoval(True, bool(row[0]), _count_waiting(tx, pool))
    if removal.removed:
        tx.configuration_changed()
        tx.db.execute("DELETE FROM pool WHERE id = ?", (pool,))
    return removal


def load_shares(view: View, pool: PoolId) -> list[Share]:
    """The shares of a pool with their credits, empty if there is no such pool."""
    rows = view.db.execute(
        "SELECT provider, percent, credit FROM pool_share WHERE pool = ?"
        " ORDER BY position",
        (pool,),
    )
    return [Share(ProviderId(provider), *rest) for provider, *rest in rows]


def save_credits(tx: Tx, pool: PoolId, shares: Sequence[Share]) -> None:
    """Keep the credits that draws have moved."""
    tx.db.executemany(
        "UPDATE pool_share SET credit = ? WHERE pool = ? AND provider = ?",
        [(share.credit, pool, share.provider) for share in shares],
    )


def _find_fault(tx: Tx, name: str, shares: Sequence[tuple[ProviderId, int]]) -> str:
    if tx.db.execute("SELECT 1 FROM pool WHERE name = ?", (name,)).fetchone():
        return f"there is a pool {name} already"
    providers = [provider for provider, _ in shares]
    if len(set(providers)) != len(providers):
        return "a provider may have one share of a pool"
    known = {id_ for (id_,) in tx.db.execute("SELECT id FROM provider")}
    if not known.issuperset(providers):
        return "there is no such provider"
    return check_shares([percent for _, percent in shares])


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

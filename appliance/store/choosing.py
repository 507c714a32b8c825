"""Draws providers for what a claim has read, from pools that it reads as it needs."""

from collections.abc import Iterable, Mapping

import msgspec

from appliance.core.choice import Choice, Drawn, Obstacle, Traits, choose, elsewhere
from appliance.core.ids import PoolId, ProviderId
from appliance.core.pool import Routing, Share
from appliance.store.due import DueRow
from appliance.store.rows import Row, update_rows
from appliance.store.tokens import Classify
from appliance.store.transaction import Tx, View

_POOLS = (
    "SELECT json_group_array(json_array(p.id, p.name, p.routing, p.overflow,"
    " p.overflow_pool, (SELECT json_group_array(json_array(route, provider, percent,"
    "  credit)) FROM (SELECT * FROM pool_share WHERE pool = p.id"
    "  ORDER BY place, position)))) FROM pool AS p"
    " WHERE p.id IN (SELECT value FROM json_each(?))"
)


class _PoolRow(msgspec.Struct, array_like=True, frozen=True):
    id: int
    name: str
    routing: int
    overflow: int
    overflow_pool: int | None
    shares: list[tuple[str, int, int, int]]


_pools = msgspec.json.Decoder(list[_PoolRow]).decode


def load_choices(view: View, pools: Iterable[PoolId]) -> dict[PoolId, Choice]:
    """Those of the pools that are there and have a member, with their credits."""
    wanted = msgspec.json.encode(sorted(set(pools))).decode()
    (found,) = view.db.execute(_POOLS, (wanted,)).fetchone()
    return {PoolId(row.id): _choice(row) for row in _pools(found) if row.shares}


def _choice(row: _PoolRow) -> Choice:
    routes: dict[str, list[Share]] = {}
    for route, provider, percent, credit in row.shares:
        share = Share(ProviderId(provider), percent, credit)
        routes.setdefault(route, []).append(share)
    spare = None if row.overflow_pool is None else PoolId(row.overflow_pool)
    how = Routing(row.routing)
    return Choice(PoolId(row.id), row.name, how, bool(row.overflow), spare, routes)


def save_choices(tx: Tx, pools: Iterable[Choice]) -> None:
    """Keep the credits that draws have moved."""
    rows: list[Row] = [
        (pool.id, route, share.provider, share.credit)
        for pool in pools
        for route in pool.moved
        for share in pool.routes[route]
    ]
    update_rows(
        tx.db,
        "UPDATE pool_share SET credit = new.column4 {} WHERE pool = new.column1"
        " AND route = new.column2 AND provider = new.column3",
        rows,
    )


class Choosing:
    """The pools of one claim."""

    def __init__(
        self, tx: Tx, classify: Classify, names: Mapping[ProviderId, str]
    ) -> None:
        self._tx = tx
        self._classify = classify
        self._names = names
        self._pools: dict[PoolId, Choice | None] = {}

    def read(self, pools: Iterable[PoolId | None]) -> None:
        """Read the pools that are not known yet, and those that they flow to."""
        new = {one for one in pools if one is not None and one not in self._pools}
        if not new:
            return
        self._pools |= dict.fromkeys(new)
        self._pools |= load_choices(self._tx, new)
        self.read(one.overflow_pool for one in self._known(new))

    def _known(self, pools: Iterable[PoolId]) -> list[Choice]:
        return [one for id_ in pools if (one := self._pools[id_]) is not None]

    def pool(self, pool: PoolId) -> Choice | None:
        """A pool that was read, None if it is gone or empty."""
        return self._pools.get(pool)

    def draw(self, row: DueRow, obstacle: Obstacle) -> Drawn | None:
        """The provider of a delivery, None if its pool has none."""
        pool = self.pool(PoolId(row.pool))
        if pool is None:
            return None
        spare, traits = self._spare(pool), self._traits(row)
        return choose(pool, spare, traits, obstacle, self._names)

    def move(
        self, row: DueRow, obstacle: Obstacle, left: str, why: str
    ) -> Drawn | None:
        """Another provider for a delivery that may leave its own."""
        pool = self.pool(PoolId(row.pool))
        if pool is None:
            return None
        instead = elsewhere(pool, self._spare(pool), self._traits(row), obstacle)
        return None if instead is None else instead.instead_of(left, why)

    def save(self) -> None:
        """Keep the credits that were moved."""
        save_choices(self._tx, self._known(self._pools))

    def _spare(self, pool: Choice) -> Choice | None:
        return None if pool.overflow_pool is None else self.pool(pool.overflow_pool)

    def _traits(self, row: DueRow) -> Traits:
        domain = row.recipient_domain
        return Traits(lambda: self._classify(domain).value, row.sender_domain)

"""The calls about pools: made, shown, changed, removed."""

from collections.abc import Awaitable, Callable, Sequence

from appliance.core.ids import PoolId
from appliance.core.pool import NewPool, Pool
from appliance.dialects.sendpost.account_answer import (
    DEFAULT_POOL,
    NO_POOL,
    pool_deleted,
    pool_exists,
    pool_in_use,
    render,
    unfit,
)
from appliance.dialects.sendpost.answer import Answer
from appliance.dialects.sendpost.contract import Contract
from appliance.dialects.sendpost.errors import Problem
from appliance.dialects.sendpost.paging import Page, read_page
from appliance.dialects.sendpost.paths import POOLS
from appliance.dialects.sendpost.pool import Known, changed_pool, new_pool, parse_pool
from appliance.dialects.sendpost.pool_answer import pool_facts
from appliance.dialects.sendpost.pool_wire import PoolBody
from appliance.edge.http.account import NUMBER, Ask, Call
from appliance.store.database import Store
from appliance.store.pools import (
    PoolRemoval,
    add_pool,
    list_pools,
    remove_pool,
    update_pool,
)
from appliance.store.providers import list_providers
from appliance.store.transaction import Tx, View

Facts = dict[str, object]


class PoolCalls:
    """Each call; ``tell`` has what this process knows of pools brought up to date."""

    def __init__(self, store: Store, tell: Callable[[], Awaitable[None]]) -> None:
        self._store = store
        self._tell = tell

    def calls(self) -> dict[tuple[str, str], Call]:
        """All calls."""
        one = f"{POOLS}/{NUMBER}"
        return {
            ("POST", POOLS): self.create,
            ("GET", POOLS): self.list,
            ("GET", one): self.get,
            ("PUT", one): self.change,
            ("DELETE", one): self.delete,
        }

    async def create(self, ask: Ask) -> Answer | Problem:
        """A new pool."""
        body = parse_pool(ask.body)
        if isinstance(body, Problem):
            return body
        made = await self._store.write(_create, body, ask.contract)
        return await self._done(made)

    async def list(self, ask: Ask) -> Answer | Problem:
        """All pools, oldest first."""
        page = read_page(ask.query)
        if isinstance(page, Problem):
            return page
        return render(await self._store.read(_list, page, ask.contract))

    async def get(self, ask: Ask) -> Answer | Problem:
        """One pool."""
        found = await self._store.read(_get, PoolId(ask.number), ask.contract)
        return NO_POOL if found is None else render(found)

    async def change(self, ask: Ask) -> Answer | Problem:
        """A pool with some of its settings replaced."""
        body = parse_pool(ask.body)
        if isinstance(body, Problem):
            return body
        number = PoolId(ask.number)
        return await self._done(
            await self._store.write(_change, number, body, ask.contract)
        )

    async def delete(self, ask: Ask) -> Answer | Problem:
        """Away with a pool that nothing needs."""
        number = PoolId(ask.number)
        name, removal = await self._store.write(_delete, number)
        if not removal.found:
            return NO_POOL
        if removal.is_default:
            return DEFAULT_POOL
        if removal.waiting:
            return pool_in_use(name, f"{removal.waiting} messages wait in it")
        if removal.feeders:
            return pool_in_use(name, f"{', '.join(removal.feeders)} overflow into it")
        await self._tell()
        return pool_deleted(number, name)

    async def _done(self, made: Facts | Problem) -> Answer | Problem:
        if isinstance(made, Problem):
            return made
        await self._tell()
        return render(made)


# Each is one transaction: what a body is judged by is what it is stored beside.


def _create(tx: Tx, body: PoolBody, contract: Contract) -> Facts | Problem:
    wanted = new_pool(body, _known(tx))
    if isinstance(wanted, Problem):
        return wanted
    taken = _find_taken(tx, wanted, None)
    return taken or _stored(tx, add_pool(tx, wanted), contract)


def _change(
    tx: Tx, number: PoolId, body: PoolBody, contract: Contract
) -> Facts | Problem:
    old = _find(tx, number)
    if old is None:
        return NO_POOL
    wanted = changed_pool(old, body, _known(tx))
    if isinstance(wanted, Problem):
        return wanted
    taken = _find_taken(tx, wanted, number)
    return taken or _stored(tx, update_pool(tx, number, wanted), contract)


def _delete(tx: Tx, number: PoolId) -> tuple[str, PoolRemoval]:
    old = _find(tx, number)
    return "" if old is None else old.name, remove_pool(tx, number)


def _list(view: View, page: Page, contract: Contract) -> list[Facts]:
    found = page.of(list_pools(view), lambda one: one.name)
    return _facts(view, found, contract)


def _get(view: View, number: PoolId, contract: Contract) -> Facts | None:
    found = _find(view, number)
    return None if found is None else _facts(view, [found], contract)[0]


def _find(view: View, number: PoolId) -> Pool | None:
    return next((one for one in list_pools(view) if one.id == number), None)


def _find_taken(view: View, wanted: NewPool, number: PoolId | None) -> Problem | None:
    taken = any(
        one.name == wanted.name and one.id != number for one in list_pools(view)
    )
    return pool_exists(wanted.name) if taken else None


def _known(view: View) -> Known:
    return Known(
        frozenset(one.id for one in list_providers(view)),
        {one.name: one.id for one in list_pools(view)},
    )


def _stored(view: View, made: Pool | str, contract: Contract) -> Facts | Problem:
    if isinstance(made, str):
        return unfit("", made)
    return _facts(view, [made], contract)[0]


def _facts(view: View, pools: Sequence[Pool], contract: Contract) -> list[Facts]:
    providers = {one.id: one for one in list_providers(view)}
    names = {one.id: one.name for one in list_pools(view)}
    return [pool_facts(pool, contract, providers, names) for pool in pools]

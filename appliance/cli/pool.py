"""`postroom pool`: named choices among providers."""

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

import click

from appliance.cli.common import Call, Failure, common, example, read_name, run
from appliance.cli.data import open_house, pick_pool, pick_provider
from appliance.cli.pool_words import (
    Typed,
    facts,
    made_of,
    routing_of,
    row,
    shape,
    typed,
)
from appliance.cli.show import line, lines, say, table
from appliance.core.ids import ProviderId
from appliance.core.pool import NewPool, Pool, Routing

if TYPE_CHECKING:  # the store takes 0.2 s to import, and --help needs none
    from appliance.store.database import Store
    from appliance.store.pools import PoolRemoval
    from appliance.store.transaction import Tx

Shown: TypeAlias = tuple[Mapping[ProviderId, str], list[Pool]]


@click.group(short_help="Named choices among providers.")
def pool() -> None:
    """Add, change and list pools. A mail names its pool, or goes to the default one."""


@pool.command(
    short_help="Add a pool.",
    epilog=example("postroom pool add main post=70 backup=30 --default"),
)
@click.argument("name", callback=read_name)
@shape
@click.option("--default", "is_default", is_flag=True, help="Make it the default pool.")
@common
def add(call: Call, /, *, name: str, is_default: bool, **words: object) -> None:
    """Add a pool: providers with percentages that add up to 100, or other routing.

    With --default, a pool that is like this already becomes the default.
    """
    one = typed(words)
    if not one.providers:
        raise click.UsageError("Missing argument 'PROVIDER=PERCENT...'.")
    if routing_of(one, Routing.SHARES) is Routing.SHARES and not one.parts:
        raise click.UsageError("the routing shares needs percentages")
    made, shown = run(lambda: _add(call, name, one, is_default=is_default))
    if call.as_json:
        line(facts(made, *shown))
    else:
        word = "the default pool now" if made.is_default else "added"
        say(f"Pool {name} is {word}.")


@pool.command(
    "set",
    short_help="Change a pool.",
    epilog=example("postroom pool set main --overflow --overflow-pool spare"),
)
@click.argument("name")
@shape
@click.option("--name", "new_name", callback=read_name, help="Another name.")
@common
def change(call: Call, /, *, name: str, new_name: str, **words: object) -> None:
    """Change a pool. What is not said stays; new providers replace the old ones."""
    one = typed(words)
    made, shown = run(lambda: _change(call, name, new_name or name, one))
    if call.as_json:
        line(facts(made, *shown))
    else:
        say(f"Pool {made.name} is changed.")


@pool.command(
    "list", short_help="List the pools.", epilog=example("postroom pool list")
)
@common
def list_all(call: Call) -> None:
    """List the pools with their providers and shares."""
    names, found = run(lambda: _load(call))
    if call.as_json:
        lines(facts(one, names, found) for one in found)
        return
    rows = (row(one, names, found) for one in found)
    table(("NAME", "DEFAULT", "OVERFLOW", "PROVIDERS"), rows)


@pool.command(short_help="Remove a pool.", epilog=example("postroom pool remove main"))
@click.argument("name")
@common
def remove(call: Call, *, name: str) -> None:
    """Remove a pool in which no mail waits and which is not the default."""
    removal = run(lambda: _remove(call, name))
    if removal.is_default:
        hint = (
            "Make another one the default first, a new or a known one with its"
            " shares: postroom pool add NAME PROVIDER=PERCENT --default"
        )
        raise Failure(f"{name} is the default pool", hint)
    if removal.waiting:
        hint = "Wait until they are finished: postroom status"
        raise Failure(f"{removal.waiting} deliveries of {name} are not finished", hint)
    if removal.feeders:
        hint = f"Change it first: postroom pool set {removal.feeders[0]} --no-overflow"
        raise Failure(f"{removal.feeders[0]} overflows to {name}", hint)
    if call.as_json:
        line({"name": name, "removed": True})
    else:
        say(f"Pool {name} is removed.")


async def _add(
    call: Call, name: str, one: Typed, *, is_default: bool
) -> tuple[Pool, Shown]:
    from appliance.store.pools import add_pool

    async with open_house(call) as store:
        empty = NewPool(name, Routing.SHARES, ())
        new = await _made_of(store, name, one, empty)
        made = await store.write(_add_default if is_default else add_pool, new)
        if isinstance(made, str):
            raise Failure(made, await _cure(store, name))
        return made, await _shown(store)


async def _change(
    call: Call, name: str, new_name: str, one: Typed
) -> tuple[Pool, Shown]:
    from appliance.store.pools import update_pool

    async with open_house(call) as store:
        before = await pick_pool(store, name)
        new = await _made_of(store, new_name, one, before)
        made = await store.write(update_pool, before.id, new)
        if isinstance(made, str):
            raise Failure(made, "See what there is: postroom pool list")
        return made, await _shown(store)


async def _made_of(store: "Store", name: str, one: Typed, before: NewPool) -> NewPool:
    ids = {
        provider: (await pick_provider(store, provider)).id
        for provider in one.providers
    }
    flows_to = None
    if one.overflow_pool:
        flows_to = (await pick_pool(store, one.overflow_pool)).id
    return made_of(name, one, ids, flows_to, before)


def _add_default(tx: "Tx", new: NewPool) -> Pool | str:
    """Add the pool, unless it is there, and make it the default; both or neither."""
    from dataclasses import replace

    from appliance.store.pools import add_pool, list_pools, set_default_pool

    same = (one for one in list_pools(tx) if _is_like(one, new))
    made = next(same, None) or add_pool(tx, new)
    if isinstance(made, str):
        return made
    set_default_pool(tx, made.id)
    return replace(made, is_default=True)


def _is_like(one: NewPool, new: NewPool) -> bool:
    """True if they are the same but for the order of what they name."""

    def ways(pool: NewPool) -> object:
        routes = {route.key: dict(route.members) for route in pool.routes}
        flows = pool.overflow, pool.overflow_pool
        return pool.name, pool.routing, {*pool.members}, routes, flows

    return ways(one) == ways(new)


async def _cure(store: "Store", name: str) -> str:
    """How a pool that stands in the way is used as it is."""
    from appliance.store.pools import list_pools
    from appliance.store.providers import list_providers

    names = {one.id: one.name for one in await store.read(list_providers)}
    for one in await store.read(list_pools):
        if one.name == name and one.shares:
            shares = (f"{names[id_]}={percent}" for id_, percent in one.shares)
            words = shlex.join([name, *shares])
            return f"To make it the default: postroom pool add {words} --default"
    return "See what there is: postroom pool list"


async def _load(call: Call) -> Shown:
    async with open_house(call) as store:
        return await _shown(store)


async def _shown(store: "Store") -> Shown:
    """The names of providers, and all pools."""
    from appliance.store.pools import list_pools
    from appliance.store.providers import list_providers

    providers = await store.read(list_providers)
    return {one.id: one.name for one in providers}, await store.read(list_pools)


async def _remove(call: Call, name: str) -> "PoolRemoval":
    from appliance.store.pools import remove_pool

    async with open_house(call) as store:
        found = await pick_pool(store, name)
        return await store.write(remove_pool, found.id)

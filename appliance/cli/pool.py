"""`postroom pool`: named choices among providers."""

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from appliance.cli.common import Call, Failure, common, example, read_name, run
from appliance.cli.data import open_house, pick_pool, pick_provider
from appliance.cli.show import line, lines, say, table, yes
from appliance.core.ids import ProviderId
from appliance.core.pool import Pool, check_shares

if TYPE_CHECKING:  # the store takes 0.2 s to import, and --help needs none
    from appliance.store.database import Store
    from appliance.store.pools import PoolRemoval
    from appliance.store.transaction import Tx


@click.group(short_help="Named choices among providers.")
def pool() -> None:
    """Add, list and remove pools. A mail names its pool, or goes to the default."""


def _read_parts(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> list[tuple[str, int]]:
    parts = []
    for text in value:
        provider, _, percent = text.rpartition("=")
        if not provider or not percent.isdecimal():
            wrong = f"{text!r} is not written as in: post=70"
            raise click.BadParameter(wrong, ctx, param)
        parts.append((provider, int(percent[:4])))
    return parts


@pool.command(
    short_help="Add a pool.",
    epilog=example("postroom pool add main post=70 backup=30 --default"),
)
@click.argument("name", callback=read_name)
@click.argument(
    "parts",
    nargs=-1,
    required=True,
    callback=_read_parts,
    metavar="PROVIDER=PERCENT...",
)
@click.option("--default", "is_default", is_flag=True, help="Make it the default pool.")
@common
def add(
    call: Call, *, name: str, parts: list[tuple[str, int]], is_default: bool
) -> None:
    """Add a pool. The percentages add up to 100.

    With --default, a pool that has these shares already becomes the default.
    """
    if wrong := check_shares([percent for _, percent in parts]):
        raise click.UsageError(wrong)
    made, names = run(lambda: _add(call, name, parts, is_default=is_default))
    if call.as_json:
        line(_facts(made, names))
    else:
        word = "the default pool now" if made.is_default else "added"
        say(f"Pool {name} is {word}.")


@pool.command(
    "list", short_help="List the pools.", epilog=example("postroom pool list")
)
@common
def list_all(call: Call) -> None:
    """List the pools with their providers and shares."""
    found, names = run(lambda: _load(call))
    if call.as_json:
        lines(_facts(one, names) for one in found)
        return
    rows = (
        (one.name, yes(one.is_default), ", ".join(_shares(one, names))) for one in found
    )
    table(("NAME", "DEFAULT", "PROVIDERS"), rows)


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
    if call.as_json:
        line({"name": name, "removed": True})
    else:
        say(f"Pool {name} is removed.")


async def _add(
    call: Call, name: str, parts: list[tuple[str, int]], *, is_default: bool
) -> tuple[Pool, Mapping[ProviderId, str]]:
    from appliance.store.pools import add_pool

    async with open_house(call) as store:
        shares = [
            ((await pick_provider(store, provider)).id, percent)
            for provider, percent in parts
        ]
        write = _add_default if is_default else add_pool
        made = await store.write(write, name, shares)
        if isinstance(made, str):
            raise Failure(made, await _cure(store, name))
        return made, {
            id_: provider for (id_, _), (provider, _) in zip(shares, parts, strict=True)
        }


def _add_default(
    tx: "Tx", name: str, shares: list[tuple[ProviderId, int]]
) -> Pool | str:
    """Add the pool, unless it is there, and make it the default; both or neither."""
    from dataclasses import replace

    from appliance.store.pools import add_pool, list_pools, set_default_pool

    same = (
        one
        for one in list_pools(tx)
        if one.name == name and dict(one.shares) == dict(shares)
    )
    made = next(same, None) or add_pool(tx, name, shares)
    if isinstance(made, str):
        return made
    set_default_pool(tx, made.id)
    return replace(made, is_default=True)


async def _cure(store: "Store", name: str) -> str:
    """How a pool that stands in the way is used as it is."""
    from appliance.store.pools import list_pools
    from appliance.store.providers import list_providers

    names = {one.id: one.name for one in await store.read(list_providers)}
    for one in await store.read(list_pools):
        if one.name == name:
            typed = (f"{names[id_]}={percent}" for id_, percent in one.shares)
            words = shlex.join([name, *typed])
            return f"To make it the default: postroom pool add {words} --default"
    return "See what there is: postroom pool list"


async def _load(call: Call) -> tuple[list[Pool], Mapping[ProviderId, str]]:
    from appliance.store.pools import list_pools
    from appliance.store.providers import list_providers

    async with open_house(call) as store:
        providers = await store.read(list_providers)
        return await store.read(list_pools), {one.id: one.name for one in providers}


async def _remove(call: Call, name: str) -> "PoolRemoval":
    from appliance.store.pools import remove_pool

    async with open_house(call) as store:
        found = await pick_pool(store, name)
        return await store.write(remove_pool, found.id)


def _facts(one: Pool, names: Mapping[ProviderId, str]) -> dict[str, object]:
    return {
        "name": one.name,
        "id": str(one.uuid),
        "default": one.is_default,
        "providers": {names[id_]: percent for id_, percent in one.shares},
    }


def _shares(one: Pool, names: Mapping[ProviderId, str]) -> list[str]:
    return [f"{names[id_]} {percent} %" for id_, percent in one.shares]

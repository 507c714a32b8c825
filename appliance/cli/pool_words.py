"""The words of `postroom pool`: how a pool is typed, and how it is shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import click

from appliance.cli.common import read_name
from appliance.core.ids import PoolId, ProviderId
from appliance.core.pool import (
    ONLY,
    OTHERS,
    NewPool,
    Pool,
    Route,
    Routing,
    by_shares,
    check_shares,
)

ROUTINGS = {one.name.lower().replace("_", "-"): one for one in Routing}
F = TypeVar("F", bound=Callable[..., None])


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed of a pool; None is not a word about it.

    ``parts`` are providers with their percentages, if those were typed.
    """

    parts: tuple[tuple[str, int | None], ...]
    routing: Routing | None = None
    routes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    overflow: bool | None = None
    overflow_pool: str | None = None

    @property
    def providers(self) -> list[str]:
        """All providers that are named, each once."""
        routed = (name for _, names in self.routes for name in names)
        return list(dict.fromkeys([*(name for name, _ in self.parts), *routed]))


def _read_parts(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> tuple[tuple[str, int | None], ...]:
    parts: list[tuple[str, int | None]] = []
    for text in value:
        provider, sign, percent = text.partition("=")
        if not provider or (sign and not percent.isdecimal()):
            wrong = f"{text!r} is not written as in: post=70"
            raise click.BadParameter(wrong, ctx, param)
        parts.append((provider, int(percent[:4]) if sign else None))
    return tuple(parts)


def _read_routes(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    routes = []
    for text in value:
        key, _, providers = text.partition("=")
        names = tuple(providers.split(","))
        if not key or not all(names):
            wrong = f"{text!r} is not written as in: gmail=post,backup"
            raise click.BadParameter(wrong, ctx, param)
        routes.append((key.lower(), names))
    return tuple(routes)


_OPTIONS = (
    click.argument(
        "parts", nargs=-1, callback=_read_parts, metavar="[PROVIDER[=PERCENT]...]"
    ),
    click.option(
        "--routing",
        type=click.Choice([*ROUTINGS]),
        help="What decides which provider gets a mail. Default: shares if there are"
        " percentages.",
    ),
    click.option(
        "--route",
        "routes",
        multiple=True,
        callback=_read_routes,
        metavar="KEY=PROVIDER[,PROVIDER]",
        help="Which providers get the mail of a recipient class (gmail, yahoo, ...) or"
        f" of a sender domain; the key {OTHERS} is for all other mail.",
    ),
    click.option(
        "--overflow/--no-overflow",
        default=None,
        help="Pass over a provider that is down or at its limit.",
    ),
    click.option(
        "--overflow-pool",
        callback=lambda ctx, param, value: value and read_name(ctx, param, value),
        metavar="NAME",
        help="Where mail overflows to if no provider of the pool can take it.",
    ),
)


def shape(function: F) -> F:
    """Give a command all that says what a pool is like."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def typed(words: Mapping[str, object]) -> Typed:
    """What the options of ``shape`` were given.

    Raises:
        click.UsageError: they do not fit together.
    """
    routing = words["routing"]
    one = Typed(
        words["parts"],  # type: ignore[arg-type]  # as _read_parts made them
        None if routing is None else ROUTINGS[str(routing)],
        words["routes"],  # type: ignore[arg-type]  # as _read_routes made them
        words["overflow"],  # type: ignore[arg-type]  # a flag
        words["overflow_pool"],  # type: ignore[arg-type]  # as it was typed
    )
    if wrong := _find_fault(one):
        raise click.UsageError(wrong)
    return one


def _find_fault(one: Typed) -> str:
    percents = [percent for _, percent in one.parts if percent is not None]
    how = routing_of(one, Routing.SHARES)
    if percents and how is not Routing.SHARES:
        return "percentages are for the routing shares"
    if one.routes and not how.has_keys:
        return "routes are for the routing recipient-class or sender-domain"
    if one.overflow_pool and one.overflow is False:
        return "a pool to overflow to is of use only with overflow"
    if how is not Routing.SHARES or not one.parts:
        return ""
    for name, percent in one.parts:
        if percent is None:
            return f"{name!r} is not written as in: post=70"
    return check_shares(percents)


def routing_of(one: Typed, before: Routing) -> Routing:
    """The routing that was typed, or the one ``before``."""
    if one.routing is not None:
        return one.routing
    return Routing.SHARES if any(percent for _, percent in one.parts) else before


def made_of(
    name: str,
    one: Typed,
    ids: Mapping[str, ProviderId],
    overflow_pool: PoolId | None,
    before: NewPool,
) -> NewPool:
    """The pool that was typed; what was not typed is as ``before``."""
    how = routing_of(one, before.routing)
    members = tuple(ids[provider] for provider in one.providers) or before.members
    routes = before.routes if how is before.routing and not one.parts else ()
    if how is Routing.SHARES and one.parts:
        shares = [(ids[provider], percent or 0) for provider, percent in one.parts]
        routes = by_shares(name, shares).routes
    elif one.routes:
        routes = tuple(
            Route(key, tuple((ids[provider], 1) for provider in providers))
            for key, providers in one.routes
        )
        members = tuple(dict.fromkeys([*_typed_members(one, ids, before), *members]))
    elif how is Routing.ROUND_ROBIN:
        routes = (Route(ONLY, tuple((provider, 1) for provider in members)),)
    flows = overflow_pool if one.overflow is not False else None
    if flows is None and one.overflow is None:
        flows = before.overflow_pool
    overflow = before.overflow if one.overflow is None else one.overflow
    return NewPool(name, how, members, routes, overflow or flows is not None, flows)


def _typed_members(
    one: Typed, ids: Mapping[str, ProviderId], before: NewPool
) -> tuple[ProviderId, ...]:
    """Members that were named beside the routes, or that were there before."""
    named = tuple(ids[provider] for provider, _ in one.parts)
    return named or before.members


# --- showing --------------------------------------------------------------------


def facts(
    one: Pool, names: Mapping[ProviderId, str], pools: Sequence[Pool] = ()
) -> dict[str, object]:
    """What is told of a pool."""
    return {
        "name": one.name,
        "id": str(one.uuid),
        "default": one.is_default,
        "routing": one.routing.name.lower().replace("_", "-"),
        "members": [names[id_] for id_ in one.members],
        "providers": {names[id_]: percent for id_, percent in one.shares},
        "routes": {
            route.key: [names[id_] for id_, _ in route.members]
            for route in one.routes
            if one.routing.has_keys
        },
        "overflow": one.overflow,
        "overflowPool": _overflow_pool(one, pools),
    }


def row(
    one: Pool, names: Mapping[ProviderId, str], pools: Sequence[Pool]
) -> tuple[str, str, str, str]:
    """A pool in a table."""
    flows = "yes" if one.overflow else "no"
    if pool := _overflow_pool(one, pools):
        flows = f"to {pool}"
    return one.name, "yes" if one.is_default else "no", flows, _ways(one, names)


def _ways(one: Pool, names: Mapping[ProviderId, str]) -> str:
    if one.routing is Routing.SHARES:
        return ", ".join(f"{names[id_]} {percent} %" for id_, percent in one.shares)
    members = ", ".join(names[id_] for id_ in one.members)
    if one.routing is Routing.ROUND_ROBIN:
        return f"{members} in turn"
    routed = [
        f"{route.key}: {', '.join(names[id_] for id_, _ in route.members)}"
        for route in one.routes
    ]
    if OTHERS not in (route.key for route in one.routes):
        routed.append(f"{OTHERS}: {members}")
    return "; ".join(routed)


def _overflow_pool(one: Pool, pools: Sequence[Pool]) -> str | None:
    found = (pool.name for pool in pools if pool.id == one.overflow_pool)
    return next(found, None)

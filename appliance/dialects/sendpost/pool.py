"""A pool's body to the pool that it asks for (spec 10.1).

Which providers and pools there are is told by the caller. There are no addresses of
the house's own that mail could leave from, so a pool's members are providers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from appliance.core.ids import PoolId, ProviderId
from appliance.core.pool import NewPool, Pool, Route, Routing, check_pool
from appliance.dialects.decode import Malformed, decode
from appliance.dialects.sendpost.errors import Problem, invalid
from appliance.dialects.sendpost.pool_wire import DECODER, PoolBody
from appliance.dialects.sendpost.provider_rules import check_name
from appliance.dialects.sendpost.routing import PARAM, read_routes

_ROUTINGS = {one.value: one for one in Routing}


@dataclass(frozen=True, slots=True)
class Known:
    """What there is that a pool can be made of: providers, and pools by their name."""

    providers: frozenset[ProviderId]
    pools: Mapping[str, PoolId]


def parse_pool(body: bytes) -> PoolBody | Problem:
    """What a body says, or why it is refused; never raises."""
    read = decode(DECODER, body)
    if isinstance(read, Malformed):
        return invalid(read.path, read.what)
    if read.name is not None and (problem := check_name(read.name)):
        return problem
    if read.routing_strategy not in (None, *_ROUTINGS):
        known = ", ".join(map(str, _ROUTINGS))
        return invalid("routingStrategy", f"routingStrategy is one of {known}")
    if read.ips:
        shown = (read.ips[0].public_ip or "")[:50]
        return invalid("ips", f"The IP {shown!r} is not allocated")
    return read


def new_pool(body: PoolBody, known: Known) -> NewPool | Problem:
    """The pool to make."""
    if body.name is None:
        return invalid("name", "name is required")
    empty = NewPool(body.name, Routing.ROUND_ROBIN, ())
    return _joined(empty, body, known)


def changed_pool(old: Pool, body: PoolBody, known: Known) -> NewPool | Problem:
    """The pool as it is to be, with what ``body`` says in the places of what is."""
    wanted = _joined(old, body, known)
    if isinstance(wanted, NewPool) and wanted.overflow_pool == old.id:
        return invalid("overflowPoolName", "A pool cannot overflow into itself")
    return wanted


def _joined(base: NewPool, body: PoolBody, known: Known) -> NewPool | Problem:
    members = _members(base, body, known)
    if isinstance(members, Problem):
        return members
    asked = body.routing_strategy
    routing = base.routing if asked is None else _ROUTINGS[asked]
    routes = _routes(base, body, routing, members)
    if isinstance(routes, Problem):
        return routes
    overflow = _overflow(base, body)
    into = _overflow_pool(base, body, known)
    if isinstance(into, Problem):
        return into
    name = base.name if body.name is None else body.name
    pool = NewPool(name, routing, members, routes, overflow, into if overflow else None)
    wrong = check_pool(pool)
    return invalid("", wrong[:1].upper() + wrong[1:]) if wrong else pool


def _members(
    base: NewPool, body: PoolBody, known: Known
) -> tuple[ProviderId, ...] | Problem:
    param, numbers = "tpsps", body.tpsps
    if numbers is None and body.third_party_sending_providers is not None:
        param = "thirdPartySendingProviders"
        numbers = [one.id for one in body.third_party_sending_providers]
    if numbers is None:
        return base.members or invalid(param, "A pool needs at least one of tpsps")
    for index, number in enumerate(numbers):
        if number not in known.providers:
            return invalid(f"{param}[{index}]", f"There is no TPSP {number}")
        if number in numbers[:index]:
            return invalid(f"{param}[{index}]", f"TPSP {number} is there twice")
    if not numbers:
        return invalid(param, "A pool needs at least one of tpsps")
    return tuple(map(ProviderId, numbers))


def _routes(
    base: NewPool, body: PoolBody, routing: Routing, members: tuple[ProviderId, ...]
) -> tuple[Route, ...] | Problem:
    if body.routing_meta_data is not None:
        return read_routes(routing, body.routing_meta_data, members)
    if routing is not base.routing or not base.members:
        return read_routes(routing, "", members)
    gone = {one for route in base.routes for one, _ in route.members} - {*members}
    if gone and routing is not Routing.ROUND_ROBIN:
        return invalid(PARAM, f"TPSP_{min(gone)} is not a member of the pool any more")
    return () if routing is Routing.ROUND_ROBIN else base.routes


def _overflow(base: NewPool, body: PoolBody) -> bool:
    for word in (body.should_overflow, body.overflow_pool):
        if word is not None:
            return word
    return base.overflow


def _overflow_pool(
    base: NewPool, body: PoolBody, known: Known
) -> PoolId | Problem | None:
    name = body.overflow_pool_name
    if name is None:
        return base.overflow_pool
    if not name:
        return None
    if name not in known.pools:
        return invalid("overflowPoolName", f"There is no pool {name[:100]!r}")
    return known.pools[name]

"""Pools as they are shown, in both contracts (spec 10.1, Appendix A and B)."""

from collections.abc import Mapping

from appliance.core.ids import PoolId, ProviderId
from appliance.core.pool import Pool
from appliance.core.provider import Provider
from appliance.dialects.sendpost.contract import Contract
from appliance.dialects.sendpost.provider_answer import legacy_provider
from appliance.dialects.sendpost.routing import write_routes

DEDICATED = 1


def pool_facts(
    pool: Pool,
    contract: Contract,
    providers: Mapping[ProviderId, Provider],
    names: Mapping[PoolId, str],
) -> dict[str, object]:
    """A pool as an object with the keys of ``contract`` and no others.

    ``names`` are those of all pools.
    """
    into = None if pool.overflow_pool is None else names.get(pool.overflow_pool)
    facts: dict[str, object] = {
        "id": pool.id,
        "name": pool.name,
        "type": DEDICATED,
        "routingStrategy": pool.routing.value,
        "routingMetaData": write_routes(pool),
        "shouldOverflow": pool.overflow,
        "overflowPoolName": into or "",
        "ips": [],
        "created": pool.created_ns,
    }
    if contract is Contract.V1:
        return facts
    members = [providers[one] for one in pool.members if one in providers]
    return facts | {
        "thirdPartySendingProviders": [legacy_provider(one) for one in members],
        "autoWarmupEnabled": False,
        "infraMonitor": False,
        "ipDomainWarmupStatus": "",
        "warmupInterval": 0,
    }

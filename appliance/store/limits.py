"""The limits of providers as rows; the tokens beside them are ``throttle.py``'s.

A limit that is lifted keeps its row, without numbers: mail may stand in its queue, and
finds there that nothing holds it any more.
"""

from collections.abc import Iterator
from types import MappingProxyType

from appliance.core.ids import ProviderId
from appliance.core.recipient_class import RecipientClass
from appliance.core.throttle import UNLIMITED, Limit, Limits
from appliance.store.transaction import Tx, View

OVERALL, CLASS, DOMAIN = "overall", "class", "domain"


def save_limits(tx: Tx, provider: ProviderId, limits: Limits) -> None:
    """Make these the limits of the provider; what is left of those that stay, stays."""
    tx.db.execute(
        "UPDATE throttle SET per_hour = NULL, per_second = NULL, at_once = NULL"
        " WHERE provider = ?",
        (provider,),
    )
    tx.db.executemany(
        "INSERT INTO throttle (provider, scope, key, per_hour, per_second, at_once)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (provider, scope, key) DO UPDATE SET"
        " per_hour = excluded.per_hour, per_second = excluded.per_second,"
        " at_once = excluded.at_once",
        [
            (provider, scope, key, limit.per_hour, limit.per_second, limit.at_once)
            for scope, key, limit in _each(limits)
        ],
    )


def load_limits(view: View, only: ProviderId | None) -> dict[ProviderId, Limits]:
    """The limits of each provider that has any, or of one."""
    found: dict[ProviderId, dict[tuple[str, str], Limit]] = {}
    for provider, scope, key, *rates in view.db.execute(
        "SELECT provider, scope, key, per_hour, per_second, at_once FROM throttle"
        " WHERE coalesce(per_hour, per_second, at_once) IS NOT NULL"
        " AND (:only IS NULL OR provider = :only) ORDER BY id",
        {"only": only},
    ):
        found.setdefault(ProviderId(provider), {})[scope, key] = Limit(*rates)
    return {provider: _limits(rows) for provider, rows in found.items()}


def _each(limits: Limits) -> Iterator[tuple[str, str, Limit]]:
    if limits.overall:
        yield OVERALL, "", limits.overall
    for one, limit in limits.classes.items():
        if limit:
            yield CLASS, one.value, limit
    for domain, limit in limits.domains.items():
        if limit:
            yield DOMAIN, domain, limit


def _limits(rows: dict[tuple[str, str], Limit]) -> Limits:
    return Limits(
        overall=rows.get((OVERALL, ""), UNLIMITED),
        classes=MappingProxyType(
            {
                RecipientClass(key): one
                for (scope, key), one in rows.items()
                if scope == CLASS
            }
        ),
        domains=MappingProxyType(
            {key: one for (scope, key), one in rows.items() if scope == DOMAIN}
        ),
    )

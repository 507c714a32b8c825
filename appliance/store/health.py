"""What is known of the upstreams' health, so that it outlives the process."""

from collections.abc import Sequence

from appliance.core.breaker import Health
from appliance.core.event import NewEvent
from appliance.core.ids import ProviderId
from appliance.store.transaction import Tx, View


def save_health(tx: Tx, items: Sequence[tuple[ProviderId, Health]]) -> list[None]:
    """Record healths, later ones over earlier ones; a batch function.

    That of a provider which is gone is forgotten.
    """
    for provider, health in items:
        tx.db.execute(
            "INSERT INTO provider_health (provider, failures, opened_ns, probe_ns,"
            " last_error, last_error_ns) SELECT id, ?, ?, ?, ?, ? FROM provider"
            " WHERE id = ? ON CONFLICT (provider) DO UPDATE SET"
            " failures = excluded.failures, opened_ns = excluded.opened_ns,"
            " probe_ns = excluded.probe_ns, last_error = excluded.last_error,"
            " last_error_ns = excluded.last_error_ns",
            (
                health.failures,
                health.opened_ns,
                health.probe_ns,
                health.last_error,
                health.last_error_ns,
                provider,
            ),
        )
    return [None] * len(items)


def save_turns(
    tx: Tx, items: Sequence[tuple[ProviderId, Health, NewEvent]]
) -> list[None]:
    """Record healths with the event that each is worth; a batch function."""
    for *_, event in items:
        tx.emit(event)
    return save_health(tx, [(provider, health) for provider, health, _ in items])


def load_health(view: View) -> dict[ProviderId, Health]:
    """The health of each provider of which anything bad was ever known."""
    return {
        ProviderId(provider): Health(*rest)
        for provider, *rest in view.db.execute(
            "SELECT provider, failures, opened_ns, probe_ns, last_error, last_error_ns"
            " FROM provider_health"
        )
    }

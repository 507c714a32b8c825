"""Whose word it is that a mail was delivered, where that is told once.

A provider's log agent knows better than the 2xx that we were given, if there is an
agent. Which of the two counts for a mail is decided by when its provider took it, so
that it is decided once.
"""

from appliance.core.ids import ProviderId
from appliance.core.provider import DeliveredBy
from appliance.store.transaction import Tx

# What was sent while the first report was on its way has been told by now.
_MARGIN_NS = 10 * 10**9


def note_agent(tx: Tx, provider: ProviderId, at_ns: int) -> None:
    """A provider's agent reports; mail that is sent from now on is the agent's."""
    tx.db.execute(
        "UPDATE provider SET agent_since_ns = ? WHERE id = ?"
        " AND agent_since_ns IS NULL AND delivered_by = 'auto'",
        (at_ns + _MARGIN_NS, provider),
    )


def set_delivered_by(
    tx: Tx, provider: ProviderId, whose: DeliveredBy, now_ns: int
) -> None:
    """Decide for mail that is sent from now on."""
    moment_ns = now_ns + _MARGIN_NS
    tx.db.execute(
        "UPDATE provider SET delivered_by = ? WHERE id = ?", (whose.value, provider)
    )
    match whose:
        case DeliveredBy.UPSTREAM:
            tx.db.execute(
                "UPDATE provider SET agent_until_ns = ? WHERE id = ?"
                " AND agent_until_ns IS NULL",
                (moment_ns, provider),
            )
        case DeliveredBy.AGENT:
            _let_the_agent(tx, provider, moment_ns)
        case DeliveredBy.AUTO:
            _let_the_agent(tx, provider, moment_ns, if_seen=True)


def _let_the_agent(
    tx: Tx, provider: ProviderId, moment_ns: int, *, if_seen: bool = False
) -> None:
    """From then on; from before, where it was so already."""
    tx.db.execute(
        "UPDATE provider SET agent_since_ns = CASE WHEN agent_until_ns IS NULL"
        " THEN coalesce(agent_since_ns, :at) ELSE :at END, agent_until_ns = NULL"
        " WHERE id = :id AND (:always OR agent_last_seen_ns > 0)",
        {"at": moment_ns, "id": provider, "always": not if_seen},
    )

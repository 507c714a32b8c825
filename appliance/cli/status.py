"""`postroom status`: how things stand, with the server running or stopped."""

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from appliance.cli.common import Call, common, example, run
from appliance.cli.data import open_house
from appliance.cli.show import line, pairs, when

if TYPE_CHECKING:  # the store takes 0.2 s to import, and --help needs none
    from appliance.store.transaction import View


@click.command(short_help="Show how things stand.", epilog=example("postroom status"))
@common
def status(call: Call) -> None:
    """Show whether the server runs, what waits, and what is set up."""
    from appliance.cli.running import find_running

    running = find_running(call.data)
    facts = {
        "data": str(call.data.resolve()),
        "running": running is not None,
        "addresses": running.addresses if running else None,
        **run(lambda: _load(call)),
    }
    if call.as_json:
        line(facts)
    else:
        pairs({_TITLES[name]: _spell(value) for name, value in facts.items()})


_TITLES = {
    "data": "Data",
    "running": "Server runs",
    "addresses": "Listens at",
    "queued": "Queued",
    "inFlight": "In flight",
    "held": "Held",
    "inDoubt": "In doubt",
    "nextDue": "Next due",
    "lastEvent": "Last event",
    "providers": "Providers",
    "down": "Providers down",
    "pools": "Pools",
    "defaultPool": "Default pool",
    "domains": "Domains (verified)",
    "blocked": "Blocked logins",
    "returned": "Came back",
}


async def _load(call: Call) -> dict[str, object]:
    async with open_house(call) as store:
        return await store.read(_read)


def _read(view: "View") -> dict[str, object]:
    """All of it at one moment."""
    from appliance.core.delivery import State
    from appliance.flow.facts import health_facts
    from appliance.store.deliveries import counts_by_state, next_due_ns
    from appliance.store.domains import list_domains
    from appliance.store.events import last_number, list_events
    from appliance.store.health import load_health
    from appliance.store.login_blocks import list_login_blocks
    from appliance.store.pools import list_pools
    from appliance.store.providers import list_providers
    from appliance.store.returns import return_counts

    counts, pools = counts_by_state(view), list_pools(view)
    providers, health = list_providers(view), load_health(view)
    number = last_number(view)
    last = list_events(view, after=number - 1, limit=1) if number else []
    return {
        "queued": counts[State.QUEUED],
        "inFlight": counts[State.IN_FLIGHT],
        "held": counts[State.HELD],
        "inDoubt": counts[State.IN_DOUBT],
        "nextDue": when(next_due_ns(view)),
        "lastEvent": {"number": number, "at": when(last[0].at_ns)} if last else None,
        "providers": [one.name for one in providers],
        "down": {
            one.name: health_facts(health[one.id], time.time_ns())
            for one in providers
            if one.id in health and health[one.id].probe_ns is not None
        },
        "pools": [one.name for one in pools],
        "defaultPool": next((one.name for one in pools if one.is_default), None),
        "domains": {one.name: one.verified for one in list_domains(view)},
        "blocked": {
            one.origin: when(one.until_ns)
            for one in list_login_blocks(view)
            if one.until_ns > time.time_ns()
        },
        "returned": return_counts(view),
    }


def _spell(value: object) -> str:
    """A value of the JSON form as people read it."""
    match value:
        case None | "":
            return "none"
        case bool():
            return "yes" if value else "no"
        case str() | int():
            return str(value)
        case list():
            return ", ".join(map(str, value)) or "none"
        case Mapping():
            return (
                ", ".join(f"{key}: {_spell(it)}" for key, it in value.items()) or "none"
            )
        case _:
            return json.dumps(value)

"""`postroom provider`: the upstream SMTP servers that take our mail."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from appliance.cli.common import Call, Failure, common, example, run
from appliance.cli.data import open_house, pick_provider, settings_of
from appliance.cli.provider_change import add, change, desk_of, require
from appliance.cli.provider_limits import limit_facts, limit_words
from appliance.cli.provider_options import testing
from appliance.cli.show import line, lines, say, table, when
from appliance.cli.steps import cause, show_steps
from appliance.core.address import Address
from appliance.core.provider import Kind, Provider
from appliance.smtp.outcome import ProbeStep

if TYPE_CHECKING:  # the store takes 0.2 s to import, and --help needs none
    from appliance.settings import Settings
    from appliance.store.providers import ProviderRemoval


@click.group(short_help="The upstream servers that take our mail.")
def provider() -> None:
    """Add, change, test and remove providers: the SMTP servers that mail goes to."""


provider.add_command(add)
provider.add_command(change)


@provider.command(
    "list", short_help="List the providers.", epilog=example("postroom provider list")
)
@common
def list_all(call: Call) -> None:
    """List the providers and how they are, without their passwords."""
    found = run(lambda: _load(call))
    if call.as_json:
        lines(_facts(one) | {"health": health} for one, health in found)
        return
    headings = ("NAME", "KIND", "HOST", "PORT", "SECURITY", "USER", "CONNECTIONS")
    table((*headings, "LIMITS", "STATE", "LAST ERROR"), (_row(*each) for each in found))


@provider.command(
    "test",
    short_help="Send a test message through a provider.",
    epilog=example("postroom provider test post --test-to me@example.com"),
)
@click.argument("name")
@testing
@common
def test_provider(
    call: Call, *, name: str, test_from: Address | None, test_to: Address | None
) -> None:
    """Send a test message through a provider and show each step with its time.

    A provider that counted as down is tried again as soon as it has passed.
    """
    settings = settings_of(call)
    steps = run(lambda: _test(call, settings, name, (test_from, test_to)))
    show_steps(call, name, steps)
    if steps[-1].failure is not None:
        raise Failure(f"the test of {name} failed: {cause(steps)}")


@provider.command(
    "event-key",
    short_help="Make a provider a new event key.",
    epilog=example("postroom provider event-key post"),
)
@click.argument("name")
@common
def event_key(call: Call, *, name: str) -> None:
    """Make the key by which a provider's log agent reports, and show it once.

    The key that it had is worth nothing from now on.
    """
    settings = settings_of(call)
    key = run(lambda: _rotate(call, settings, name))
    if call.as_json:
        line({"name": name, "eventKey": key})
    else:
        say(f"The key of {name}'s log agent, shown this once: {key}")


@provider.command(
    short_help="Remove a provider.", epilog=example("postroom provider remove post")
)
@click.argument("name")
@common
def remove(call: Call, *, name: str) -> None:
    """Remove a provider that no pool uses."""
    removal = run(lambda: _remove(call, name))
    if removal.pools:
        pools = ", ".join(removal.pools)
        hint = f"Remove it there first: postroom pool remove {removal.pools[0]}"
        raise Failure(f"{name} is used by the pools {pools}", hint)
    if call.as_json:
        line({"name": name, "removed": True})
    else:
        say(f"Provider {name} is removed.")


async def _test(
    call: Call,
    settings: "Settings",
    name: str,
    addresses: tuple[Address | None, Address | None],
) -> tuple[ProbeStep, ...]:
    from appliance.flow.provider_words import Trial

    async with open_house(call) as store:
        found = await pick_provider(store, name)
        if found.kind is Kind.CAPTURE:
            raise Failure(f"{name} keeps mail for viewing; there is no server to test")
        desk = desk_of(store, settings)
        return require(await desk.test(found, Trial(*addresses)), name)


async def _rotate(call: Call, settings: "Settings", name: str) -> str:
    from appliance.flow.provider_words import Stored

    async with open_house(call) as store:
        found = await pick_provider(store, name)
        made = await desk_of(store, settings).rotate_key(found.id)
    if not isinstance(made, Stored):
        raise Failure(made.value)
    return made.event_key


async def _load(call: Call) -> list[tuple[Provider, Mapping[str, object]]]:
    from appliance.core.breaker import HEALTHY
    from appliance.flow.facts import health_facts
    from appliance.store.health import load_health
    from appliance.store.providers import list_providers

    async with open_house(call) as store:
        providers = await store.read(list_providers)
        known = await store.read(load_health)
    now_ns = time.time_ns()
    return [
        (one, health_facts(known.get(one.id, HEALTHY), now_ns)) for one in providers
    ]


async def _remove(call: Call, name: str) -> "ProviderRemoval":
    from appliance.store.providers import remove_provider

    async with open_house(call) as store:
        found = await pick_provider(store, name)
        return await store.write(remove_provider, found.id)


def _facts(one: Provider) -> dict[str, object]:
    return {
        "name": one.name,
        "id": str(one.uuid),
        "kind": one.kind.value,
        "host": one.host,
        "port": one.port,
        "security": one.security.value,
        "username": one.username,
        "auth": one.auth_method.value,
        "verifyCertificate": one.verify_certificate,
        "maxConnections": one.max_connections,
        "retryPlan": one.retry_plan,
        "number": one.id,
        "limits": limit_facts(one.limits),
        "eventKeyHint": one.event_key_hint,
        "agentLastSeen": when(one.agent_last_seen_ns),
        "lastPassedTest": when(one.tested_ns),
    }


def _row(one: Provider, health: Mapping[str, object]) -> tuple[object, ...]:
    limits = limit_words(one.limits)
    if one.kind is Kind.CAPTURE:
        nothing = ("",) * 5
        return (one.name, one.kind.value, *nothing, limits, health["state"], "")
    trial = health["nextTrial"]
    return (
        one.name,
        one.kind.value,
        one.host,
        one.port,
        one.security.value,
        one.username,
        one.max_connections,
        limits,
        f"{health['state']}, next trial {trial}" if trial else health["state"],
        health["lastError"],
    )

"""`postroom provider`: the upstream SMTP servers that take our mail."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import click

from appliance.cli.common import Call, Failure, common, example, read_name, run
from appliance.cli.data import open_house, pick_provider, settings_of
from appliance.cli.show import line, lines, say, table
from appliance.cli.steps import cause, show_steps, step_facts
from appliance.core.address import Address
from appliance.core.ids import ProviderId
from appliance.core.provider import AuthMethod, Kind, Provider, Security
from appliance.core.retry import parse_retry_plan
from appliance.dialects.addresses import read_address
from appliance.smtp.outcome import Stage

if TYPE_CHECKING:  # store and net take 0.2 s to import, and --help needs none
    from appliance.net.smtp_probe import ProbeStep
    from appliance.settings import Settings
    from appliance.store.providers import NewProvider, ProviderRemoval

PASSWORD_VARIABLE = "POSTROOM_PROVIDER_PASSWORD"  # noqa: S105 - a name, no password
MAX_PASSWORD_BYTES = 4096
NIL = UUID(int=0)
Command = TypeVar("Command", bound=Callable[..., None])


@click.group(short_help="The upstream servers that take our mail.")
def provider() -> None:
    """Add, list, test and remove providers: the SMTP servers that mail goes to."""


def _read_address_option(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> Address | None:
    if value is None:
        return None
    address = read_address(value)
    if address is None:
        raise click.BadParameter(f"{value!r} is no mail address", ctx, param)
    return address


def _read_plan(ctx: click.Context, param: click.Parameter, value: str) -> str:
    try:
        parse_retry_plan(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None
    return value


def _test_options(command: Command) -> Command:
    for name, what in (("--test-from", "Sender"), ("--test-to", "Recipient")):
        command = click.option(
            name,
            callback=_read_address_option,
            metavar="ADDRESS",
            help=f"{what} of the test message. Default: postmaster@ the public host.",
        )(command)
    return command


@provider.command(
    short_help="Add a provider, after a test.",
    epilog=example(
        "postroom provider add post --host smtp.example.com --username me",
        "--password-file ./password",
    ),
)
@click.argument("name", callback=read_name)
@click.option("--host", required=True, help="Its host name or IP address.")
@click.option("--port", type=click.IntRange(1, 65535), default=587, show_default=True)
@click.option(
    "--security",
    type=click.Choice([one.value for one in Security]),
    default=Security.STARTTLS.value,
    show_default=True,
    help="How the connection is protected.",
)
@click.option("--username", default="", help="Log in as this user.")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"Where its password is. Else ${PASSWORD_VARIABLE}, else you are asked.",
)
@click.option(
    "--auth",
    type=click.Choice([one.value for one in AuthMethod]),
    default=AuthMethod.AUTO.value,
    show_default=True,
    help="How to log in; auto is PLAIN, else LOGIN.",
)
@click.option("--no-verify", is_flag=True, help="Take any certificate.")
@click.option(
    "--connections",
    type=click.IntRange(1, 1000),
    help="Connections at a time. Default: relay.max_connections.",
)
@click.option(
    "--retry-plan",
    default="",
    callback=_read_plan,
    metavar="PAUSES",
    help="Its own retry plan, such as 1h,2h,3h. Default: relay.retry_plan.",
)
@click.option("--no-test", is_flag=True, help="Add it without a test.")
@_test_options
@common
def add(
    call: Call,
    *,
    name: str,
    host: str,
    port: int,
    security: str,
    username: str,
    password_file: Path | None,
    auth: str,
    no_verify: bool,
    connections: int | None,
    retry_plan: str,
    no_test: bool,
    test_from: Address | None,
    test_to: Address | None,
) -> None:
    """Add a provider. A test message is sent first; if that fails, nothing is added."""
    if password_file and not username:
        raise click.UsageError("--password-file is of use with --username only")
    settings = settings_of(call)
    from appliance.store.providers import NewProvider

    new = NewProvider(
        name=name,
        kind=Kind.SMTP,
        host=host,
        port=port,
        security=Security(security),
        username=username,
        password=_password(password_file) if username else "",
        auth_method=AuthMethod(auth),
        verify_certificate=not no_verify,
        max_connections=connections or settings.relay.max_connections,
        retry_plan=retry_plan,
    )
    steps = run(
        lambda: _add(call, settings, new, (test_from, test_to), test=not no_test)
    )
    if steps and steps[-1].failure is not None:
        show_steps(call, name, steps)
        cure = _cure(settings, new, steps) or "Mend it"
        hint = f"Nothing was added. {cure}, or add it untested with --no-test"
        raise Failure(f"the test of {name} failed: {cause(steps)}", hint)
    if call.as_json:
        line({"name": name, "added": True, "steps": [*map(step_facts, steps)]})
        return
    say(f"Provider {name} is added{'' if no_test else ' and takes mail'}.")
    say(f"Next: postroom pool add main {name}=100 --default")


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
    table((*headings, "STATE", "LAST ERROR"), (_row(*each) for each in found))


@provider.command(
    "test",
    short_help="Send a test message through a provider.",
    epilog=example("postroom provider test post --test-to me@example.com"),
)
@click.argument("name")
@_test_options
@common
def test_provider(
    call: Call, *, name: str, test_from: Address | None, test_to: Address | None
) -> None:
    """Send a test message through a provider and show each step with its time."""
    settings = settings_of(call)
    found, steps = run(lambda: _test(call, settings, name, (test_from, test_to)))
    show_steps(call, name, steps)
    if steps[-1].failure is not None:
        hint = _cure(settings, found, steps)
        raise Failure(f"the test of {name} failed: {cause(steps)}", hint)


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


def _password(file: Path | None) -> str:
    """From the file, the environment, or standard input, in this order."""
    if file is not None:
        try:
            with file.open("rb") as stream:
                return stream.read(MAX_PASSWORD_BYTES).decode().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", "it is not UTF-8 text")
            raise Failure(f"{file} cannot be read as a password: {why}") from None
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE]
    if sys.stdin.isatty():
        answer: str = click.prompt("Password", hide_input=True, err=True)
    else:  # a prompt would warn that it cannot hide what a pipe says
        answer = sys.stdin.readline(MAX_PASSWORD_BYTES).rstrip("\r\n")
    if not answer:
        raise Failure("there is no password", "See: postroom provider add --help")
    return answer


async def _add(
    call: Call,
    settings: "Settings",
    new: "NewProvider",
    addresses: tuple[Address | None, Address | None],
    *,
    test: bool,
) -> Sequence["ProbeStep"]:
    from appliance.store.providers import add_provider, list_providers

    async with open_house(call) as store:
        names = [one.name for one in await store.read(list_providers)]
        taken = Failure(f"there is a provider {new.name} already", "Take another name.")
        if new.name in names:
            raise taken
        # The store gives the ids, and a test needs none.
        draft = Provider(ProviderId(0), NIL, **asdict(new))
        steps = await _try(settings, draft, addresses, only_check=not test)
        if steps and steps[-1].failure is not None:
            return steps
        if await store.write(add_provider, new) is None:
            raise taken
        return steps


async def _test(
    call: Call,
    settings: "Settings",
    name: str,
    addresses: tuple[Address | None, Address | None],
) -> tuple[Provider, Sequence["ProbeStep"]]:
    async with open_house(call) as store:
        found = await pick_provider(store, name)
    if found.kind is Kind.CAPTURE:
        raise Failure(f"{name} keeps mail for viewing; there is no server to test")
    return found, await _try(settings, found, addresses)


async def _try(
    settings: "Settings",
    one: Provider,
    addresses: tuple[Address | None, Address | None],
    *,
    only_check: bool = False,
) -> Sequence["ProbeStep"]:
    """The steps of the test; none if only the settings are to be checked."""
    from appliance.flow.tryout import try_out
    from appliance.flow.upstreams import upstream_of

    try:
        upstream = upstream_of(
            one, settings.ehlo_name, plaintext_auth=settings.relay.plaintext_auth
        )
    except ValueError as error:
        raise Failure(f"the {error}", "See: postroom provider add --help") from None
    if only_check:
        return ()
    postmaster = Address("postmaster", settings.public_host)
    sender, recipient = addresses
    return await try_out(upstream, sender or postmaster, recipient or postmaster)


def _cure(
    settings: "Settings", one: "Provider | NewProvider", steps: Sequence["ProbeStep"]
) -> str:
    """What helps where we ourselves did not send a password, else ""."""
    in_clear = one.security is Security.NONE and not settings.relay.plaintext_auth
    if not in_clear or steps[-1].stage is not Stage.AUTH:
        return ""
    return "Use --security starttls or tls, or change the setting relay.plaintext_auth"


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
    }


def _row(one: Provider, health: Mapping[str, object]) -> tuple[object, ...]:
    if one.kind is Kind.CAPTURE:
        return (one.name, one.kind.value, "", "", "", "", "", health["state"], "")
    trial = health["nextTrial"]
    return (
        one.name,
        one.kind.value,
        one.host,
        one.port,
        one.security.value,
        one.username,
        one.max_connections,
        f"{health['state']}, next trial {trial}" if trial else health["state"],
        health["lastError"],
    )

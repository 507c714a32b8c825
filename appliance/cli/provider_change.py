"""`postroom provider add` and `set`: what a provider is, tested before it is kept."""

from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

import click

from appliance.cli.common import Call, Failure, common, example, read_name, run
from appliance.cli.data import open_house, pick_provider, settings_of
from appliance.cli.provider_options import (
    Options,
    described,
    describing,
    testing,
    typed_password,
)
from appliance.cli.show import line, say
from appliance.cli.steps import cause, show_steps, step_facts
from appliance.smtp.outcome import ProbeStep

if TYPE_CHECKING:  # the store takes 0.2 s to import, and --help needs none
    from appliance.flow.provider_desk import ProviderDesk
    from appliance.flow.provider_words import Obstacle, Stored, Trial, Tried, Unfit
    from appliance.settings import Settings
    from appliance.store.database import Store

IN_CLEAR = "Use --security starttls or tls, or change the setting relay.plaintext_auth"


@click.command(
    short_help="Add a provider, after a test.",
    epilog=example(
        "postroom provider add post --host smtp.example.com --username me",
        "--password-file ./password --max-rate-per-hour 1000 --limit gmail=100/h",
    ),
)
@click.argument("name", callback=read_name)
@describing
@click.option("--no-test", is_flag=True, help="Add it without a test.")
@testing
@common
def add(call: Call, *, name: str, **options: Unpack[Options]) -> None:
    """Add a provider. A test message is sent first; if that fails, nothing is added.

    The key by which its log agent reports is shown this once; only a hash is stored.
    """
    if options["host"] is None:
        raise click.UsageError("Missing option '--host'.")
    if options["password_file"] and not options["username"]:
        raise click.UsageError("--password-file is of use with --username only")
    settings = settings_of(call)
    made = run(lambda: _add(call, settings, name, options))
    stored = _stored(call, name, made, "added")
    if call.as_json:
        steps = [*map(step_facts, stored.steps)]
        facts = {"name": name, "id": stored.provider.uuid, "number": stored.provider.id}
        line(facts | {"added": True, "eventKey": stored.event_key, "steps": steps})
        return
    say(f"Provider {name} is added{' and takes mail' if stored.steps else ''}.")
    say(f"The key of its log agent, shown this once: {stored.event_key}")
    say(f"Next: postroom pool add main {name}=100 --default")


@click.command(
    "set",
    short_help="Change a provider.",
    epilog=example(
        "postroom provider set post --max-rate-per-hour 500 --limit gmail=none"
    ),
)
@click.argument("name")
@click.option("--rename", callback=read_name, metavar="NAME", help="Its new name.")
@describing
@click.option("--no-test", is_flag=True, help="Change it without a test.")
@testing
@common
def change(call: Call, *, name: str, rename: str, **options: Unpack[Options]) -> None:
    """Change what is named and leave the rest.

    If the way to its server changes, a test message is sent first; if that fails,
    nothing is changed.
    """
    settings = settings_of(call)
    made = run(lambda: _change(call, settings, name, rename, options))
    stored = _stored(call, rename or name, made, "changed")
    if call.as_json:
        steps = [*map(step_facts, stored.steps)]
        line({"name": stored.provider.name, "changed": True, "steps": steps})
        return
    tested = " and takes mail" if stored.steps else ""
    say(f"Provider {stored.provider.name} is changed{tested}.")


def desk_of(store: "Store", settings: "Settings") -> "ProviderDesk":
    """Where the commands about providers are carried out."""
    import time

    from appliance.flow.provider_desk import ProviderDesk
    from appliance.flow.provider_words import Habits

    return ProviderDesk(store, Habits.of(settings), time.time_ns)


def require(made: "Tried | Unfit | Obstacle", name: str) -> tuple[ProbeStep, ...]:
    """The steps of a test.

    Raises:
        Failure: there was none; the text says why, and what helps.
    """
    from appliance.flow.provider_words import Obstacle, Tried, Unfit

    if isinstance(made, Tried):
        return made.steps
    if isinstance(made, Unfit):
        in_clear = made.field == "security"
        hint = IN_CLEAR if in_clear else "See: postroom provider add --help"
        raise Failure(f"the {made.message}", hint)
    if made is Obstacle.NAME_TAKEN:
        raise Failure(f"there is a provider {name} already", "Take another name.")
    raise Failure(made.value, "See what there is: postroom provider list")


async def _add(
    call: Call, settings: "Settings", name: str, options: Options
) -> "Stored | Tried | Unfit | Obstacle":
    from appliance.flow.provider_words import defaults_of

    async with open_house(call) as store:
        base = replace(defaults_of(settings), name=name)
        new = described(base, options, typed_password(options))
        return await desk_of(store, settings).add(new, _trial(options))


async def _change(
    call: Call, settings: "Settings", name: str, rename: str, options: Options
) -> "Stored | Tried | Unfit | Obstacle":
    async with open_house(call) as store:
        found = await pick_provider(store, name)
        password = typed_password(options)
        return await desk_of(store, settings).change(
            found.id,
            lambda old: replace(
                described(old, options, password), name=rename or old.name
            ),
            _trial(options),
        )


def _trial(options: Options) -> "Trial | None":
    from appliance.flow.provider_words import Trial

    addresses = options["test_from"], options["test_to"]
    return None if options["no_test"] else Trial(*addresses)


def _stored(
    call: Call, name: str, made: "Stored | Tried | Unfit | Obstacle", done: str
) -> "Stored":
    """What was stored.

    Raises:
        Failure: nothing was; the text says why, and what helps.
    """
    from appliance.flow.provider_words import Stored

    if isinstance(made, Stored):
        return made
    steps = require(made, name)
    show_steps(call, name, steps)
    hint = f"Nothing was {done}. Mend it, or go on untested with --no-test"
    raise Failure(f"the test of {name} failed: {cause(steps)}", hint)

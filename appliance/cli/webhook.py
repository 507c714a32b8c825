"""`postroom webhook`: who is told of events over HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from appliance.cli.common import Call, Failure, common, example, run
from appliance.cli.data import open_house, pick_sub_account, settings_of
from appliance.cli.show import line, lines, note, say, table
from appliance.cli.webhook_deliveries import (
    SEE,
    one_id,
    pick_webhook,
    replay,
    rotate,
    show_log,
    trial,
)
from appliance.core.webhook import (
    Endpoint,
    NewEndpoint,
    WebhookId,
    make_secret,
)
from appliance.core.webhook_url import check_url
from appliance.dialects.names import TELLING

if TYPE_CHECKING:  # the store takes 0.2 s to import, and --help needs none
    from appliance.settings import Settings


@click.group(short_help="Who is told of events over HTTP.")
def webhook() -> None:
    """Look after webhooks: endpoints that are told of events over HTTP.

    Each event is posted at least once, signed, and again by the documented plan of the
    dialect and then by webhooks.retry_plan until it is taken. The log of events is the
    queue: an endpoint that is down for days is told all when it is back.
    """


webhook.add_command(show_log)
webhook.add_command(trial)
webhook.add_command(replay)
webhook.add_command(rotate)


@webhook.command(
    "list", short_help="List webhooks.", epilog=example("postroom webhook list")
)
@common
def list_all(call: Call) -> None:
    """List endpoints, how each is doing, and how many requests wait for it."""
    from appliance.cli.webhook_words import HEADINGS, facts, row

    found, waiting = run(lambda: _load(call))
    if call.as_json:
        lines(facts(one, waiting.get(one.id, 0)) for one in found)
    elif found:
        table(HEADINGS, (row(one, waiting.get(one.id, 0)) for one in found))
    else:
        note("None.")


@webhook.command(
    short_help="Add a webhook.",
    epilog=example(
        "postroom webhook add https://hooks.example.com/mail",
        f"--dialect {TELLING[1].value} --event email.bounced",
    ),
)
@click.argument("url")
@click.option(
    "--dialect",
    type=click.Choice([one.value for one in TELLING]),
    default=TELLING[0].value,
    show_default=True,
    help="Whose payload, headers and signature.",
)
@click.option(
    "--event", "events", multiple=True, help="Tell this kind. Default: all usual."
)
@click.option("--form", default="", help="A variant of the payload, if there are some.")
@click.option("--name", default="", help="A name for people.")
@click.option("--sub-account", metavar="ID", help="Of this one only. Default: of all.")
@common
def add(
    call: Call,
    *,
    url: str,
    dialect: str,
    events: tuple[str, ...],
    form: str,
    name: str,
    sub_account: str | None,
) -> None:
    """Add an endpoint. It is told what happens from now on.

    The secret by which it knows our signature is shown this once.
    """
    wanted = _wanted(dialect, events)
    _check(settings_of(call), dialect, url, form)
    secret = make_secret()
    made = run(
        lambda: _add(call, (url, dialect, wanted, name, form), sub_account, secret)
    )
    if call.as_json:
        from appliance.cli.webhook_words import facts

        line(facts(made, 0) | {"secret": secret})
        return
    say(f"Webhook {made.id} is added. Its secret, shown this once: {secret}")
    say(f"Next: postroom webhook test {made.id}")


@webhook.command(
    "set",
    short_help="Change a webhook.",
    epilog=example("postroom webhook set 1 --enable"),
)
@one_id
@click.option("--url", help="Another URL.")
@click.option(
    "--event", "events", multiple=True, help="Tell these kinds and no others."
)
@click.option("--form", help="Another variant of the payload.")
@click.option("--name", help="Another name.")
@click.option(
    "--enable/--disable",
    "enabled",
    default=None,
    help="Tell it of events, or not; what happens meanwhile it never learns.",
)
@common
def change(
    call: Call,
    *,
    id_: int,
    url: str | None,
    events: tuple[str, ...],
    form: str | None,
    name: str | None,
    enabled: bool | None,
) -> None:
    """Change what is named and leave the rest.

    An endpoint that was given up is tried again at once, and goes on where it stood.
    """
    said = {"url": url, "form": form, "name": name, "enabled": enabled}
    typed = {key: value for key, value in said.items() if value is not None}
    made = run(lambda: _change(call, settings_of(call), id_, events, typed))
    if call.as_json:
        from appliance.cli.webhook_words import facts

        line(facts(made, 0))
    else:
        say(f"Webhook {made.id} is changed.")


@webhook.command(
    short_help="Remove a webhook.", epilog=example("postroom webhook remove 1")
)
@one_id
@common
def remove(call: Call, *, id_: int) -> None:
    """Remove an endpoint and what waits for it."""
    run(lambda: _remove(call, id_))
    if call.as_json:
        line({"id": id_, "removed": True})
    else:
        say(f"Webhook {id_} is removed.")


def _wanted(dialect: str, events: Sequence[str]) -> frozenset[str]:
    """What was typed; the usual if nothing was.

    Raises:
        click.UsageError: the dialect has no such kind of event.
    """
    from appliance.dialects.webhooks import WEBHOOKS

    if not events:
        return WEBHOOKS[dialect].usual
    known = WEBHOOKS[dialect].words
    for one in events:
        if one not in known:
            raise click.UsageError(f"{one!r} is none of {', '.join(known)}")
    return frozenset(events)


def _check(settings: "Settings", dialect: str, url: str, form: str) -> None:
    """Return if such an endpoint can be.

    Raises:
        Failure: it cannot.
    """
    from appliance.dialects.webhooks import WEBHOOKS
    from appliance.flow.webhook_post import habits_of

    forms = WEBHOOKS[dialect].forms
    if form and form not in forms:
        raise click.UsageError(f"{form!r} is none of {', '.join(filter(None, forms))}")
    habits = habits_of(settings)
    wrong = check_url(url, allow_http=habits.allow_http, allowed=habits.allowed)
    if wrong:
        hint = "Settings: webhooks.allowed_networks, webhooks.allow_http"
        raise Failure(wrong, hint)


async def _load(call: Call) -> tuple[list[Endpoint], dict[WebhookId, int]]:
    from appliance.store.webhook_tries import count_waiting
    from appliance.store.webhooks import list_endpoints

    async with open_house(call) as store:
        return await store.read(list_endpoints), await store.read(count_waiting)


async def _add(
    call: Call,
    words: tuple[str, str, frozenset[str], str, str],
    sub_account: str | None,
    secret: str,
) -> Endpoint:
    from appliance.store.webhooks import add_endpoint

    url, dialect, wanted, name, form = words
    async with open_house(call) as store:
        owner = await pick_sub_account(store, sub_account or "")
        only = owner.id if sub_account else None
        new = NewEndpoint(owner.account, only, dialect, url, wanted, name, form)
        made = await store.write(add_endpoint, new, secret)
        if made is None:
            raise Failure(f"there is a webhook to {url} already", SEE)
        return made


async def _change(
    call: Call,
    settings: "Settings",
    id_: int,
    events: Sequence[str],
    typed: Mapping[str, object],
) -> Endpoint:
    from appliance.store.webhooks import update_endpoint

    async with open_house(call) as store:
        old = await pick_webhook(store, id_)
        if old.per_message:
            raise Failure(f"webhook {id_} was named by mail and is not changed", SEE)
        new = replace(old, **typed)  # type: ignore[arg-type]
        if events:
            new = replace(new, wanted=_wanted(old.dialect, events))
        if "url" in typed or "form" in typed:
            _check(settings, new.dialect, new.url, new.form)
        made = await store.write(update_endpoint, old.id, new)
        if made is None:
            raise Failure(f"there is a webhook to {new.url} already", SEE)
        return made


async def _remove(call: Call, id_: int) -> None:
    from appliance.store.webhooks import remove_endpoint

    async with open_house(call) as store:
        await store.write(remove_endpoint, (await pick_webhook(store, id_)).id)

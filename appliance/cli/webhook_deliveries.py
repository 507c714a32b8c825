"""`postroom webhook log`, `test`, `replay` and `rotate`: what one endpoint is told."""

import time
from typing import TYPE_CHECKING

import click

from appliance.cli.common import Call, Failure, common, example, run
from appliance.cli.data import open_house, settings_of
from appliance.cli.show import line, lines, note, say, table
from appliance.core.webhook import (
    GRACE_SECONDS,
    MAX_GRACE_SECONDS,
    Endpoint,
    WebhookId,
    make_secret,
)

if TYPE_CHECKING:  # the store takes 0.2 s to import, and --help needs none
    from appliance.core.webhook import Response
    from appliance.settings import Settings
    from appliance.store.database import Store
    from appliance.store.webhook_tries import Logged

SECOND_NS = 1_000_000_000
MAX_LISTED = 1_000
WATCH_SECONDS = 0.5
SEE = "See what there is: postroom webhook list"
one_id = click.argument("id_", metavar="ID", type=click.IntRange(1, 2**62))


@click.command(
    "log",
    short_help="Show what was delivered.",
    epilog=example("postroom webhook log 1 --failed"),
)
@one_id
@click.option("--failed", is_flag=True, help="What failed only.")
@click.option(
    "--limit",
    type=click.IntRange(1, MAX_LISTED),
    default=20,
    show_default=True,
    help="At most so many.",
)
@common
def show_log(call: Call, *, id_: int, failed: bool, limit: int) -> None:
    """Show the newest tries, newest first; --json has request and answer."""
    from appliance.cli.webhook_words import LOG_HEADINGS, log_facts, log_row

    found = run(lambda: _log(call, id_, failed=failed, limit=limit))
    if call.as_json:
        lines(map(log_facts, found))
    elif found:
        table(LOG_HEADINGS, map(log_row, found))
    else:
        note("Nothing.")


@click.command(
    "test", short_help="Send a test event.", epilog=example("postroom webhook test 1")
)
@one_id
@common
def trial(call: Call, *, id_: int) -> None:
    """Post one event that is none, once, and show what is answered."""
    response = run(lambda: _test(call, settings_of(call), id_))
    told = {
        "delivered": response.good,
        "status": response.status or None,
        "tookMs": response.took_ms,
        "error": response.words or None,
        "answer": response.body.decode("utf-8", "replace"),
    }
    if call.as_json:
        line(told)
    elif response.good:
        say(f"Taken: HTTP {response.status} after {response.took_ms} ms.")
    if not response.good:
        hint = "See the URL: postroom webhook list"
        raise Failure(f"the test was not taken: {response.words}", hint)


@click.command(
    short_help="Tell events again.",
    epilog=example("postroom webhook replay 1 4711-4800"),
)
@one_id
@click.argument("numbers", metavar="NUMBER|FIRST-LAST")
@click.option("--all", "everything", is_flag=True, help="Also kinds it does not want.")
@click.option("--no-wait", is_flag=True, help="Do not wait until it is done.")
@common
def replay(
    call: Call, *, id_: int, numbers: str, everything: bool, no_wait: bool
) -> None:
    """Tell one event, or a range of numbers, to one endpoint again.

    Their ids are those of the first time. The running server does it; without one it
    is done at the next start.
    """
    from appliance.cli.running import find_running
    from appliance.cli.webhook_words import read_range

    ctx = click.get_current_context()
    after, upto = read_range(ctx, ctx.command.params[1], numbers)
    everything = everything or upto == after + 1
    waits = not no_wait and find_running(call.data) is not None
    run(lambda: _replay(call, id_, (after, upto), everything=everything, waits=waits))
    if call.as_json:
        line({"id": id_, "after": after, "upto": upto, "done": waits})
    elif waits:
        say(f"Told again: events {numbers}.")
    else:
        say(f"Events {numbers} will be told again by the server.")


@click.command(
    short_help="Replace a secret.", epilog=example("postroom webhook rotate 1")
)
@one_id
@click.option(
    "--grace-hours",
    type=click.IntRange(0, MAX_GRACE_SECONDS // 3600),
    default=GRACE_SECONDS // 3600,
    show_default=True,
    help="How long the old secret signs too.",
)
@common
def rotate(call: Call, *, id_: int, grace_hours: int) -> None:
    """Make a new secret, shown this once; requests carry both signatures meanwhile."""
    secret = make_secret()
    until_ns = time.time_ns() + grace_hours * 3600 * SECOND_NS
    run(lambda: _rotate(call, id_, secret, until_ns))
    if call.as_json:
        line({"id": id_, "secret": secret, "graceHours": grace_hours})
    else:
        say(f"The new secret of webhook {id_}, shown this once: {secret}")
        note(f"The old one is good for {grace_hours} hours more.")


async def pick_webhook(store: "Store", id_: int) -> Endpoint:
    """The endpoint of that number.

    Raises:
        Failure: there is none.
    """
    from appliance.store.webhooks import get_endpoint

    found = await store.read(get_endpoint, WebhookId(id_))
    if found is None:
        raise Failure(f"there is no webhook {id_}", SEE)
    return found


async def _log(call: Call, id_: int, *, failed: bool, limit: int) -> list["Logged"]:
    from appliance.store.webhook_tries import list_tries

    async with open_house(call) as store:
        one = await pick_webhook(store, id_)
        return await store.read(list_tries, one.id, failed=failed, limit=limit)


async def _test(call: Call, settings: "Settings", id_: int) -> "Response":
    from appliance.flow.webhook_post import habits_of, try_out

    async with open_house(call) as store:
        one = await pick_webhook(store, id_)
    _, response = await try_out(one, habits_of(settings), time.time_ns())
    return response


async def _replay(
    call: Call, id_: int, numbers: tuple[int, int], *, everything: bool, waits: bool
) -> None:
    import trio

    from appliance.store.events import last_number
    from appliance.store.webhook_tries import ask_replay, replay_progress

    async with open_house(call) as store:
        one = await pick_webhook(store, id_)
        last = await store.read(last_number)
        after, upto = numbers[0], min(numbers[1], last)
        if upto <= after:
            raise Failure(f"the last event is number {last}", "postroom events list")
        replay = await store.write(
            ask_replay, one.id, after, upto, everything=everything
        )
        while (
            waits and (place := await store.read(replay_progress, replay)) is not None
        ):
            if not call.as_json:
                note(f"{place - after} of {upto - after} events")
            await trio.sleep(WATCH_SECONDS)


async def _rotate(call: Call, id_: int, secret: str, until_ns: int) -> None:
    from appliance.store.webhooks import rotate_secret

    async with open_house(call) as store:
        one = await pick_webhook(store, id_)
        await store.write(rotate_secret, one.id, secret, until_ns)

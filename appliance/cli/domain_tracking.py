"""`postroom domain track`: what is tracked in mail that says nothing about it."""

import click

from appliance.cli.common import Call, common, example, run
from appliance.cli.data import open_house, pick_domain
from appliance.cli.domain_keys import of_owner
from appliance.cli.domain_words import facts
from appliance.cli.show import line, say
from appliance.core.domain import SenderDomain


@click.command(
    short_help="Track opens and clicks of a domain's SMTP mail.",
    epilog=example("postroom domain track example.com --opens --clicks"),
)
@click.argument("name")
@click.option("--opens/--no-opens", default=None, help="Put a pixel into HTML.")
@click.option("--clicks/--no-clicks", default=None, help="Lead links by us.")
@of_owner
@common
def track(
    call: Call, *, name: str, opens: bool | None, clicks: bool | None, sub_account: str
) -> None:
    """Say what is tracked in mail that says nothing about it, as all SMTP mail does.

    What is not named stays as it is; at first neither is tracked, and mail leaves
    as it came. Requests over HTTP say it themselves.
    """
    if opens is None and clicks is None:
        raise click.UsageError("say what: --opens, --no-opens, --clicks, --no-clicks")
    found = run(lambda: _track(call, name, sub_account, opens=opens, clicks=clicks))
    if call.as_json:
        line(facts(found))
        return
    tracking = found.tracking
    kinds = {"opens": tracking.opens, "clicks": tracking.clicks}
    words = ", ".join(kind for kind, wanted in kinds.items() if wanted) or "nothing"
    say(f"Tracked in SMTP mail from {found.name}: {words}.")


async def _track(
    call: Call, name: str, sub_account: str, *, opens: bool | None, clicks: bool | None
) -> SenderDomain:
    from appliance.store.domains import set_tracking

    async with open_house(call) as store:
        found = await pick_domain(store, name, sub_account)
        now = found.tracking
        await store.write(
            set_tracking,
            found.id,
            opens=now.opens if opens is None else opens,
            clicks=now.clicks if clicks is None else clicks,
        )
        return await pick_domain(store, name, sub_account)

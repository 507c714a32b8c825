"""`postroom domain`: the domains that mail may come from, and their DNS records."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from appliance.cli.common import Call, Failure, common, example, run
from appliance.cli.data import (
    domain_name,
    open_house,
    pick_domain,
    pick_sub_account,
    settings_of,
)
from appliance.cli.domain_words import (
    facts,
    finding_facts,
    row,
    show_findings,
    show_records,
    warn_of_local_name,
)
from appliance.cli.show import line, lines, note, say, table
from appliance.core.domain import Purpose, SenderDomain

if TYPE_CHECKING:  # these take 0.3 s to import, and --help needs none
    from appliance.flow.verification import Finding
    from appliance.settings import Settings

_of_sub_account = click.option(
    "--sub-account", default="", metavar="ID", help="Its owner. Default: the first."
)
_of_owner = click.option(
    "--sub-account", default="", metavar="ID", help="Its owner, where several have it."
)


@click.group(short_help="The domains that mail may come from.")
def domain() -> None:
    """Add, verify and remove sender domains: those that may stand in From."""


@domain.command(
    short_help="Add a domain and print its DNS records.",
    epilog=example("postroom domain add example.com"),
)
@click.argument("name")
@_of_sub_account
@common
def add(call: Call, *, name: str, sub_account: str) -> None:
    """Add a domain, make its DKIM keys, and print the DNS records to publish."""
    settings, ascii_name = settings_of(call), domain_name(name)
    made = run(lambda: _add(call, settings, ascii_name, sub_account))
    if call.as_json:
        line(facts(made))
        return
    say(f"Domain {made.name} is added. Publish these records:\n")
    show_records(made)
    warn_of_local_name(settings)
    note(f"\nThen: postroom domain verify {made.name}")


@domain.command(
    "list", short_help="List the domains.", epilog=example("postroom domain list")
)
@common
def list_all(call: Call) -> None:
    """List the domains and what of each is verified."""
    found = run(lambda: _load(call))
    if call.as_json:
        lines(map(facts, found))
        return
    headings = ("NAME", "OWNER", "VERIFIED", "DKIM", "RETURN PATH", "TRACKING", "DMARC")
    table(headings, map(row, found))


@domain.command(
    short_help="Show a domain and its DNS records.",
    epilog=example("postroom domain show example.com"),
)
@click.argument("name")
@_of_owner
@common
def show(call: Call, *, name: str, sub_account: str) -> None:
    """Show the DNS records of a domain and what is known of each."""
    found = run(lambda: _find(call, name, sub_account))
    if call.as_json:
        line(facts(found))
        return
    state = "verified" if found.verified else "not verified"
    say(f"Domain {found.name} is {state}. Its records:\n")
    show_records(found)


@domain.command(
    short_help="Look the DNS records of a domain up.",
    epilog=example("postroom domain verify example.com"),
)
@click.argument("name")
@_of_owner
@common
def verify(call: Call, *, name: str, sub_account: str) -> None:
    """Look up the records of a domain and say what was found and what was expected.

    Mail from the domain is taken once its DKIM record is verified; the exit
    status is 1 as long as it is not. The resolvers are the setting dns.nameservers.
    """
    settings = settings_of(call)
    found, findings = run(lambda: _verify(call, settings, name, sub_account))
    if call.as_json:
        records = [finding_facts(finding) for finding in findings]
        line({**facts(found), "records": records})
    else:
        show_findings(findings)
    if not found.verified:
        hint = "DNS changes take a while. On your own word: postroom domain trust"
        raise Failure(f"{found.name} is not verified", f"{hint} {found.name}")
    if not call.as_json:
        say(f"\nDomain {found.name} is verified.")


@domain.command(
    short_help="Count a domain as verified on your word.",
    epilog=example("postroom domain trust example.com --tracking"),
)
@click.argument("name")
@click.option("--tracking", is_flag=True, help="Its tracking host too.")
@_of_owner
@common
def trust(call: Call, *, name: str, tracking: bool, sub_account: str) -> None:
    """Count DKIM and the return path of a domain as verified on your own word.

    For networks without public DNS. The list shows on whose word a record counts.
    """
    purposes = [Purpose.DKIM, Purpose.DKIM_ED25519, Purpose.RETURN_PATH]
    if tracking:
        purposes.append(Purpose.TRACKING)
    found = run(lambda: _trust(call, name, sub_account, purposes))
    if call.as_json:
        line(facts(found))
        return
    words = ", ".join(one.value for one in purposes)
    say(f"Domain {found.name} is verified on your word: {words}.")


@domain.command(
    short_help="Track opens and clicks of a domain's SMTP mail.",
    epilog=example("postroom domain track example.com --opens --clicks"),
)
@click.argument("name")
@click.option("--opens/--no-opens", default=None, help="Put a pixel into HTML.")
@click.option("--clicks/--no-clicks", default=None, help="Lead links by us.")
@_of_owner
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


@domain.command(
    short_help="Remove a domain and its keys.",
    epilog=example("postroom domain remove example.com"),
)
@click.argument("name")
@_of_owner
@common
def remove(call: Call, *, name: str, sub_account: str) -> None:
    """Remove a domain. Its DKIM keys are gone for good."""
    found = run(lambda: _remove(call, name, sub_account))
    if call.as_json:
        line({"name": found.name, "removed": True})
    else:
        say(f"Domain {found.name} is removed.")


async def _add(
    call: Call, settings: "Settings", name: str, sub_account: str
) -> SenderDomain:
    from appliance.flow.new_domain import take_on

    async with open_house(call) as store:
        owner = await pick_sub_account(store, sub_account)
        made = await take_on(
            store, owner.id, name, settings.public_host, settings.bounce_host
        )
    if made is None:
        hint = f"See its records: postroom domain show {name}"
        raise Failure(f"there is a domain {name} already", hint)
    return made


async def _load(call: Call) -> list[SenderDomain]:
    from appliance.store.domains import list_domains

    async with open_house(call) as store:
        return await store.read(list_domains)


async def _find(call: Call, name: str, sub_account: str) -> SenderDomain:
    async with open_house(call) as store:
        return await pick_domain(store, name, sub_account)


async def _verify(
    call: Call, settings: "Settings", name: str, sub_account: str
) -> "tuple[SenderDomain, Sequence[Finding]]":
    from appliance.flow import verification
    from appliance.net.dns import Resolver
    from appliance.store.domains import set_record_proofs

    async with open_house(call) as store:
        found = await pick_domain(store, name, sub_account)
        findings = await verification.verify(
            Resolver([str(one) for one in settings.dns.nameservers]),
            found,
            time.time_ns(),
            settings.dns.timeout,
        )
        records = [finding.record for finding in findings]
        await store.write(set_record_proofs, found.id, records)
        return await pick_domain(store, found.name, str(found.sub_account)), findings


async def _trust(
    call: Call, name: str, sub_account: str, purposes: Sequence[Purpose]
) -> SenderDomain:
    from appliance.store.domains import trust_domain

    async with open_house(call) as store:
        found = await pick_domain(store, name, sub_account)
        await store.write(trust_domain, found.id, purposes)
        return await pick_domain(store, found.name, str(found.sub_account))


async def _remove(call: Call, name: str, sub_account: str) -> SenderDomain:
    from appliance.store.domains import remove_domain

    async with open_house(call) as store:
        found = await pick_domain(store, name, sub_account)
        await store.write(remove_domain, found.id)
        return found


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

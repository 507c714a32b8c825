"""`postroom domain`: the domains that mail may come from, and their DNS records."""

import time
from collections.abc import Sequence
from pathlib import Path
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
from appliance.cli.domain_keys import (
    named_selector,
    of_owner,
    own_key_file,
    read_wish,
    retire,
    rotate,
    warn_of_weakness,
)
from appliance.cli.domain_tracking import track
from appliance.cli.domain_words import (
    facts,
    finding_facts,
    row,
    show_findings,
    show_records,
    warn_of_local_name,
)
from appliance.cli.show import line, lines, note, say, table
from appliance.core.domain import Algorithm, Purpose, SenderDomain

if TYPE_CHECKING:  # these take 0.3 s to import, and --help needs none
    from appliance.flow.domain_keys import KeyWish
    from appliance.flow.verification import Finding
    from appliance.settings import Settings

_of_sub_account = click.option(
    "--sub-account", default="", metavar="ID", help="Its owner. Default: the first."
)


@click.group(short_help="The domains that mail may come from.")
def domain() -> None:
    """Add, verify and remove sender domains: those that may stand in From."""


domain.add_command(rotate)
domain.add_command(retire)
domain.add_command(track)


@domain.command(
    short_help="Add a domain and print its DNS records.",
    epilog=example("postroom domain add example.com"),
)
@click.argument("name")
@named_selector
@own_key_file
@_of_sub_account
@common
def add(
    call: Call, *, name: str, selector: str, key_file: Path | None, sub_account: str
) -> None:
    """Add a domain, make its DKIM keys, and print the DNS records to publish."""
    settings, ascii_name = settings_of(call), domain_name(name)
    wish = read_wish(selector, key_file, Algorithm.RSA_SHA256)
    made = run(lambda: _add(call, settings, ascii_name, sub_account, wish))
    warn_of_weakness(*made.keys)
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
@of_owner
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
@of_owner
@common
def verify(call: Call, *, name: str, sub_account: str) -> None:
    """Look up the records of a domain and say what was found and what was expected.

    Mail from the domain is taken once its DKIM record is verified; the exit
    status is 1 as long as it is not. The resolvers are the setting dns.nameservers.
    The server looks by itself too: every 10 minutes at what is not verified, daily at
    the rest, which is given up only after three failed looks, a day apart.
    """
    settings = settings_of(call)
    found, findings, new = run(lambda: _verify(call, settings, name, sub_account))
    if call.as_json:
        records = [finding_facts(finding) for finding in findings]
        line({**facts(found), "records": records, "newKeys": new})
    else:
        show_findings(findings)
        for selector in new:
            say(f"\n{found.name} signs with {selector} from now on.")
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
@of_owner
@common
def trust(call: Call, *, name: str, tracking: bool, sub_account: str) -> None:
    """Count DKIM and the return path of a domain as verified on your own word.

    For networks without public DNS. The list shows on whose word a record counts.
    A key that waits for its record (domain rotate) signs from now on.
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
    short_help="Remove a domain and its keys.",
    epilog=example("postroom domain remove example.com"),
)
@click.argument("name")
@of_owner
@common
def remove(call: Call, *, name: str, sub_account: str) -> None:
    """Remove a domain. Its DKIM keys are gone for good."""
    found = run(lambda: _remove(call, name, sub_account))
    if call.as_json:
        line({"name": found.name, "removed": True})
    else:
        say(f"Domain {found.name} is removed.")


async def _add(
    call: Call, settings: "Settings", name: str, sub_account: str, wish: "KeyWish"
) -> SenderDomain:
    from appliance.flow.domain_keys import KeyRefused
    from appliance.flow.new_domain import take_on

    hosts = settings.public_host, settings.bounce_host

    async with open_house(call) as store:
        owner = await pick_sub_account(store, sub_account)
        try:
            made = await take_on(store, owner.id, name, *hosts, wish=wish)
        except KeyRefused as error:
            raise Failure(str(error), error.hint) from None
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
) -> "tuple[SenderDomain, Sequence[Finding], list[str]]":
    from appliance.flow import verification
    from appliance.net.dns import Resolver
    from appliance.store.domain_checks import note_looks

    async with open_house(call) as store:
        found = await pick_domain(store, name, sub_account)
        findings = await verification.verify(
            Resolver([str(one) for one in settings.dns.nameservers]),
            found,
            time.time_ns(),
            settings.dns.timeout,
        )
        looks = [(found.id, finding.look) for finding in findings]
        noted = await store.write(note_looks, looks)
        new = [one.selector for one in noted.promoted]
        found = await pick_domain(store, found.name, str(found.sub_account))
        return found, findings, new


async def _trust(
    call: Call, name: str, sub_account: str, purposes: Sequence[Purpose]
) -> SenderDomain:
    from appliance.store.domain_checks import trust_domain

    async with open_house(call) as store:
        found = await pick_domain(store, name, sub_account)
        await store.write(trust_domain, found.id, purposes, time.time_ns())
        return await pick_domain(store, found.name, str(found.sub_account))


async def _remove(call: Call, name: str, sub_account: str) -> SenderDomain:
    from appliance.store.domains import remove_domain

    async with open_house(call) as store:
        found = await pick_domain(store, name, sub_account)
        await store.write(remove_domain, found.id)
        return found

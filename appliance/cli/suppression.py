"""`postroom suppression`: who gets no mail from a sub-account."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from appliance.cli.common import Call, Failure, common, example, run
from appliance.cli.data import open_house, pick_sub_account
from appliance.cli.show import line, lines, note, say, table
from appliance.cli.suppression_csv import export, import_
from appliance.cli.suppression_words import (
    COLUMNS,
    facts,
    lasting_option,
    mail_of,
    owner_option,
    read_targets,
    reason_option,
    row,
    scope_options,
    since,
)
from appliance.core.suppression import (
    EVERYTHING,
    Scope,
    Suppression,
    SuppressionFilter,
    SuppressionReason,
    Target,
    WholeDomain,
)

if TYPE_CHECKING:  # the store takes 0.2 s to import, and --help needs none
    from appliance.store.suppression_lists import NewSuppression

MAX_LISTED = 10_000
SECOND_NS = 1_000_000_000
_targets = click.argument(
    "targets", metavar="ADDRESS...", nargs=-1, required=True, callback=read_targets
)


@click.group(short_help="Who gets no mail.")
def suppression() -> None:
    """Look after the addresses and domains that get no mail from a sub-account.

    A whole domain is written '*@example.com'; it says nothing of the domains below
    it. An entry is about all mail, or with --topic or --domain about some of it. A
    running server knows within a second; mail that waits for such an address is
    dropped when it is tried next.
    """


suppression.add_command(import_)
suppression.add_command(export)


@suppression.command(
    "list",
    short_help="List who gets no mail.",
    epilog=example("postroom suppression list --reason hard_bounce"),
)
@reason_option("Of this reason. Default: all.")
@click.option("--search", default="", metavar="TEXT", help="With this text in it.")
@click.option(
    "--offset", type=click.IntRange(0, 2**62), default=0, help="Leave out so many."
)
@click.option(
    "--limit",
    type=click.IntRange(1, MAX_LISTED),
    default=100,
    show_default=True,
    help="At most so many.",
)
@scope_options("Only what is about")
@owner_option
@common
def list_all(
    call: Call,
    *,
    reason: SuppressionReason | None,
    search: str,
    offset: int,
    limit: int,
    scope: Scope | None,
    sub_account: str,
) -> None:
    """List entries, newest first: what mail, why, since when, and who added them."""
    wanted = SuppressionFilter(reason, search, scope=scope)
    found, total = run(lambda: _find(call, sub_account, wanted, offset, limit))
    if call.as_json:
        lines(map(facts, found))
    elif found:
        table(COLUMNS, map(row, found))
    else:
        note("Nobody.")
    if total > offset + len(found):
        note(f"{total} in all. More: --offset {offset + len(found)}")


@suppression.command(
    short_help="Let an address or domain get no mail.",
    epilog=example("postroom suppression add bob@example.org '*@example.net'"),
)
@_targets
@reason_option("Why. Default: manual, for what is not there yet.")
@click.option("--note", "why", default="", metavar="TEXT", help="Kept beside it.")
@lasting_option
@scope_options("Only")
@owner_option
@common
def add(
    call: Call,
    *,
    targets: Sequence[Target],
    reason: SuppressionReason | None,
    why: str,
    lasting: float | None,
    scope: Scope | None,
    sub_account: str,
) -> None:
    """Suppress addresses or whole domains.

    One that is there already gets the reason and the note that are named, and the
    end; without --for it has none any more.
    """
    from appliance.store.suppression_lists import NewSuppression

    now_ns = time.time_ns()
    end_ns = None if lasting is None else now_ns + int(lasting * SECOND_NS)
    about = scope or EVERYTHING
    items = [NewSuppression(one, reason, now_ns, why, about, end_ns) for one in targets]
    for one, is_new in run(lambda: _add(call, sub_account, items)):
        if call.as_json:
            line({**facts(one), "added": is_new})
        elif is_new:
            say(f"{one.target} gets no more {mail_of(one)}: {since(one)}.")
        else:
            say(f"{one.target} was suppressed already: {since(one)}.")


@suppression.command(
    short_help="Let an address or domain get mail again.",
    epilog=example("postroom suppression remove bob@example.org"),
)
@_targets
@scope_options("Only what is about")
@owner_option
@common
def remove(
    call: Call,
    *,
    targets: Sequence[Target],
    scope: Scope | None,
    sub_account: str,
) -> None:
    """Lift entries, and say what each was.

    Without --topic and --domain all of an address are lifted. An address stays
    suppressed where its whole domain is; that is said too.
    """
    lifted, missing, still = run(lambda: _remove(call, sub_account, targets, scope))
    for one in lifted:
        if call.as_json:
            line({**facts(one), "removed": True})
        else:
            say(f"{one.target} gets {mail_of(one)} again. It was: {since(one)}.")
    for one in still:
        all_ = ", with all at it" if one.target.startswith("*") else ""
        note(f"{one.target} is still suppressed{all_}: {since(one)}.")
    if missing:
        named = ", ".join(map(str, missing))
        raise Failure(
            f"not suppressed: {named}", "List them: postroom suppression list"
        )


async def _find(
    call: Call, owner: str, wanted: SuppressionFilter, offset: int, limit: int
) -> tuple[list[Suppression], int]:
    from appliance.store.suppressions import count_suppressions, find_suppressions

    now_ns = time.time_ns()
    async with open_house(call) as store:
        number = (await pick_sub_account(store, owner)).id
        found = await store.read(
            find_suppressions,
            number,
            wanted,
            offset=offset,
            limit=limit,
            now_ns=now_ns,
        )
        total = await store.read(count_suppressions, number, wanted, now_ns=now_ns)
        return found, total


async def _add(
    call: Call, owner: str, items: "Sequence[NewSuppression]"
) -> list[tuple[Suppression, bool]]:
    from appliance.store.suppression_lists import put_suppressions

    async with open_house(call) as store:
        number = (await pick_sub_account(store, owner)).id
        return await store.write(put_suppressions, number, items)


async def _remove(
    call: Call, owner: str, targets: Sequence[Target], scope: Scope | None
) -> tuple[list[Suppression], list[Target], list[Suppression]]:
    """What was lifted, what was not there, and what still holds."""
    from appliance.store.suppression_lists import remove_suppressions
    from appliance.store.suppressions import get_suppressions

    async with open_house(call) as store:
        number = (await pick_sub_account(store, owner)).id
        lifted = await store.write(remove_suppressions, number, targets, scope)
        gone = {one.address for one in lifted}
        missing = [one for one in targets if one.key not in gone]
        wholes = {one.domain: WholeDomain(one.domain) for one in targets}
        still: list[Suppression] = []
        for target in dict.fromkeys([*targets, *wholes.values()]):
            still += await store.read(
                get_suppressions, number, target, now_ns=time.time_ns()
            )
        return lifted, missing, still

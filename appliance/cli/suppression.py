"""`postroom suppression`: who gets no mail from a sub-account."""

import time
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING

import click

from appliance.cli.common import Call, Failure, common, example, run
from appliance.cli.data import open_house, pick_sub_account
from appliance.cli.show import line, lines, note, say, table
from appliance.cli.suppression_words import (
    Books,
    facts,
    read_targets,
    reason_option,
    row,
    since,
)
from appliance.core.suppression import (
    Suppression,
    SuppressionFilter,
    SuppressionReason,
    Target,
)

if TYPE_CHECKING:  # the store takes 0.2 s to import, and --help needs none
    from appliance.cli.suppression_file import BadLine, Entry
    from appliance.core.ids import SubAccountId
    from appliance.store.database import Store

MAX_LISTED = 10_000
CHUNK = 500  # lines in one transaction: mail is taken in between them
PAGE = 2_000
_owner = click.option(
    "--sub-account", default="", metavar="ID", help="Whose list. Default: the first."
)
_targets = click.argument(
    "targets", metavar="ADDRESS...", nargs=-1, required=True, callback=read_targets
)


@click.group(short_help="Who gets no mail.")
def suppression() -> None:
    """Look after the addresses and domains that get no mail from a sub-account.

    A whole domain is written '*@example.com'; it says nothing of the domains below
    it. A running server knows within a second; mail that waits for such an address
    is dropped when it is tried next.
    """


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
@_owner
@common
def list_all(
    call: Call,
    *,
    reason: SuppressionReason | None,
    search: str,
    offset: int,
    limit: int,
    sub_account: str,
) -> None:
    """List entries, newest first: why, since when, and who added them."""
    wanted = SuppressionFilter(reason, search)
    found, total = run(lambda: _find(call, sub_account, wanted, offset, limit))
    if call.as_json:
        lines(map(facts, found))
    elif found:
        table(("ADDRESS", "REASON", "SINCE", "ADDED BY", "WHY"), map(row, found))
    else:
        note("Nobody.")
    if total > offset + len(found):
        note(f"{total} in all. More: --offset {offset + len(found)}")


@suppression.command(
    short_help="Let an address or domain get no mail.",
    epilog=example("postroom suppression add bob@example.org '*@example.net'"),
)
@_targets
@reason_option("Why. Default: manual.")
@click.option("--note", "why", default="", metavar="TEXT", help="Kept beside it.")
@_owner
@common
def add(
    call: Call,
    *,
    targets: Sequence[Target],
    reason: SuppressionReason | None,
    why: str,
    sub_account: str,
) -> None:
    """Suppress addresses or whole domains. One that is there already stays as it is."""
    given = reason or SuppressionReason.MANUAL
    for one, is_new in run(lambda: _add(call, sub_account, targets, given, why)):
        if call.as_json:
            line({**facts(one), "added": is_new})
        else:
            how = "gets no more mail" if is_new else "was suppressed already"
            say(f"{one.target} {how}: {since(one)}.")


@suppression.command(
    short_help="Let an address or domain get mail again.",
    epilog=example("postroom suppression remove bob@example.org"),
)
@_targets
@_owner
@common
def remove(call: Call, *, targets: Sequence[Target], sub_account: str) -> None:
    """Lift entries, and say what each was.

    An address stays suppressed where its whole domain is; that is said too.
    """
    lifted, missing, still = run(lambda: _remove(call, sub_account, targets))
    for one in lifted:
        if call.as_json:
            line({**facts(one), "removed": True})
        else:
            say(f"{one.target} gets mail again. It was: {since(one)}.")
    for one in still:
        note(f"{one.target} is still suppressed, with all at it: {since(one)}.")
    if missing:
        named = ", ".join(map(str, missing))
        raise Failure(
            f"not suppressed: {named}", "List them: postroom suppression list"
        )


@suppression.command(
    "import",
    short_help="Add all of a CSV file.",
    epilog=example("postroom suppression import bounced.csv --reason hard_bounce"),
)
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@reason_option("Of lines that name none. Default: manual.")
@_owner
@common
def import_(
    call: Call,
    *,
    file: str,
    reason: SuppressionReason | None,
    sub_account: str,
) -> None:
    """Add the addresses of a CSV file with the header email,reason,created.

    Only the first column is needed. Bad lines are told by their numbers, with
    status 1, and the good ones are kept. FILE may be - for standard input.
    """
    books = Books()
    given = reason or SuppressionReason.MANUAL
    with click.open_file(file, "rb") as opened:
        run(lambda: _import(call, sub_account, opened, given, books))
    books.say(call)
    if books.bad:
        raise click.exceptions.Exit(1)


@suppression.command(
    short_help="Write all as CSV.",
    epilog=example("postroom suppression export"),
)
@_owner
@common
def export(call: Call, *, sub_account: str) -> None:
    """Write the whole list as CSV that `suppression import` reads."""
    run(lambda: _export(call, sub_account))


async def _find(
    call: Call, owner: str, wanted: SuppressionFilter, offset: int, limit: int
) -> tuple[list[Suppression], int]:
    from appliance.store.suppressions import count_suppressions, find_suppressions

    async with open_house(call) as store:
        number = (await pick_sub_account(store, owner)).id
        found = await store.read(
            find_suppressions, number, wanted, offset=offset, limit=limit
        )
        return found, await store.read(count_suppressions, number, wanted)


async def _add(
    call: Call,
    owner: str,
    targets: Sequence[Target],
    reason: SuppressionReason,
    why: str,
) -> list[tuple[Suppression, bool]]:
    from appliance.store.suppressions import NewSuppression, put_suppressions

    now_ns = time.time_ns()
    items = [NewSuppression(one, reason, now_ns, why) for one in targets]
    async with open_house(call) as store:
        number = (await pick_sub_account(store, owner)).id
        return await store.write(put_suppressions, number, items)


async def _remove(
    call: Call, owner: str, targets: Sequence[Target]
) -> tuple[list[Suppression], list[Target], list[Suppression]]:
    """What was lifted, what was not there, and the domains that still hold."""
    from appliance.store.suppressions import get_suppression, remove_suppressions

    async with open_house(call) as store:
        number = (await pick_sub_account(store, owner)).id
        lifted = await store.write(remove_suppressions, number, targets)
        gone = {one.address for one in lifted}
        missing = [one for one in targets if one.key not in gone]
        still: dict[str, Suppression] = {}
        for domain in {one.domain for one in targets}:
            whole = await store.read(get_suppression, number, _whole(domain))
            if whole is not None:
                still[domain] = whole
        return lifted, missing, [*still.values()]


async def _import(
    call: Call,
    owner: str,
    file: IO[bytes],
    reason: SuppressionReason,
    books: Books,
) -> None:
    from appliance.cli.suppression_file import WrongFileError, read_lines

    now_ns = time.time_ns()
    async with open_house(call) as store:
        number = (await pick_sub_account(store, owner)).id
        try:
            found = read_lines(file, now_ns, reason)
            await _import_all(store, number, found, books)
        except WrongFileError as error:
            raise Failure(f"{file.name}: {error}") from None


async def _import_all(
    store: "Store",
    owner: "SubAccountId",
    found: "Iterator[Entry | BadLine]",
    books: Books,
) -> None:
    from itertools import islice

    from appliance.cli.suppression_file import BadLine
    from appliance.store.suppressions import NewSuppression, add_suppressions

    while chunk := [*islice(found, CHUNK)]:
        items: list[NewSuppression] = []
        for one in chunk:
            if isinstance(one, BadLine):
                books.note_bad(one)
            else:
                items.append(NewSuppression(one.target, one.reason, one.at_ns))
        added = await store.write(add_suppressions, owner, items)
        books.count(len(items), added)


async def _export(call: Call, owner: str) -> None:
    from appliance.cli.suppression_file import header, written
    from appliance.store.suppressions import list_suppressions

    async with open_house(call) as store:
        number = (await pick_sub_account(store, owner)).id
        if not call.as_json:
            say(header())
        last = 0
        while page := await store.read(
            list_suppressions, number, after=last, limit=PAGE
        ):
            last = page[-1].id
            if call.as_json:
                lines(map(facts, page))
            else:
                say("\n".join(map(written, page)))


def _whole(domain: str) -> Target:
    from appliance.core.suppression import WholeDomain

    return WholeDomain(domain)

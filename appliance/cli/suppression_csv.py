"""`postroom suppression import` and `export`: the list as a file, both ways."""

import time
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

import click

from appliance.cli.common import Call, Failure, common, example, run
from appliance.cli.data import open_house, pick_sub_account
from appliance.cli.show import lines, say
from appliance.cli.suppression_words import (
    Books,
    Defaults,
    facts,
    owner_option,
    reason_option,
    scope_options,
)
from appliance.core.suppression import EVERYTHING, Scope, SuppressionReason

if TYPE_CHECKING:  # the store takes 0.2 s to import, and --help needs none
    from appliance.cli.suppression_file import BadLine, Entry
    from appliance.core.ids import SubAccountId
    from appliance.store.database import Store

CHUNK = 500  # lines in one transaction: mail is taken in between them
PAGE = 2_000


@click.command(
    "import",
    short_help="Add all of a CSV file.",
    epilog=example("postroom suppression import bounced.csv --reason hard_bounce"),
)
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@reason_option("Of lines that name none. Default: manual.")
@scope_options("Where a line names none, only")
@owner_option
@common
def import_(
    call: Call,
    *,
    file: str,
    reason: SuppressionReason | None,
    scope: Scope | None,
    sub_account: str,
) -> None:
    """Add the addresses of a CSV file.

    Its header is email,reason,created,topic,domain,expires; only the first column is
    needed. What is there already stays as it is. Bad lines are told by their numbers,
    with status 1, and the good ones are kept. FILE may be - for standard input.
    """
    books = Books()
    given = Defaults(reason or SuppressionReason.MANUAL, scope or EVERYTHING)
    with click.open_file(file, "rb") as opened:
        run(lambda: _import(call, sub_account, opened, given, books))
    books.say(call)
    if books.bad:
        raise click.exceptions.Exit(1)


@click.command(
    "export",
    short_help="Write all as CSV.",
    epilog=example("postroom suppression export"),
)
@scope_options("Only what is about")
@owner_option
@common
def export(call: Call, *, scope: Scope | None, sub_account: str) -> None:
    """Write the whole list as CSV that `suppression import` reads."""
    run(lambda: _export(call, sub_account, scope))


async def _import(
    call: Call,
    owner: str,
    file: IO[bytes],
    given: Defaults,
    books: Books,
) -> None:
    from appliance.cli.suppression_file import WrongFileError, read_lines

    now_ns = time.time_ns()
    async with open_house(call) as store:
        number = (await pick_sub_account(store, owner)).id
        try:
            found = read_lines(file, now_ns, given)
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
    from appliance.store.suppression_lists import NewSuppression, add_suppressions

    while chunk := [*islice(found, CHUNK)]:
        items: list[NewSuppression] = []
        for one in chunk:
            if isinstance(one, BadLine):
                books.note_bad(one)
            else:
                items.append(
                    NewSuppression(
                        one.target,
                        one.reason,
                        one.at_ns,
                        scope=one.scope,
                        expires_ns=one.expires_ns,
                    )
                )
        added = await store.write(add_suppressions, owner, items)
        books.count(len(items), added)


async def _export(call: Call, owner: str, scope: Scope | None) -> None:
    from appliance.cli.suppression_file import header, written
    from appliance.store.suppressions import list_suppressions

    async with open_house(call) as store:
        number = (await pick_sub_account(store, owner)).id
        if not call.as_json:
            say(header())
        last, now_ns = 0, time.time_ns()
        while found := await store.read(
            list_suppressions, number, after=last, limit=PAGE, now_ns=now_ns
        ):
            last = found[-1].id
            page = [one for one in found if scope in (None, one.scope)]
            if call.as_json:
                lines(map(facts, page))
            elif page:
                say("\n".join(map(written, page)))

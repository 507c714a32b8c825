"""`postroom stats`: how much mail there was, and what became of it."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import click

from appliance.cli.common import Call, common, example, run
from appliance.cli.data import open_house, pick_sub_account
from appliance.cli.show import line, say, table
from appliance.core.stats import (
    COUNTERS,
    Counts,
    Kind,
    Question,
    Said,
    day_number,
    hour_of,
)

if TYPE_CHECKING:  # the store takes 0.2 s to import, and --help needs none
    from appliance.store.database import Store
    from appliance.store.stat_check import Verdict

USUAL_DAYS = 7
MOST_DAYS = 1_100  # three years
MOST_ROWS = 10_000
TIMES = ("total", "hour", "day", "sub-account")
KINDS = {one.label: one for one in Kind if one}
_ALWAYS = ("processed", "sent")  # columns that are shown even if all is 0


def _read_day(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        wrong = f"{value!r} is no day; write it as in: 2026-01-31"
        raise click.BadParameter(wrong, ctx, param) from None


def _read_only(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[Kind, str]:
    if value is None:
        return Kind.TOTAL, ""
    name, _, key = value.partition("=")
    if name not in KINDS or not key:
        known = ", ".join(KINDS)
        wrong = f"{value!r} is not written as in: tag=welcome; there is: {known}"
        raise click.BadParameter(wrong, ctx, param)
    return KINDS[name], key


@click.group(
    invoke_without_command=True,
    short_help="How much mail there was.",
    epilog=example("postroom stats --from 2026-01-01 --to 2026-01-31 --by provider"),
)
@click.option("--from", "first", callback=_read_day, metavar="DAY", help="First day.")
@click.option(
    "--to", "last", callback=_read_day, metavar="DAY", help="Last day. Default: today."
)
@click.option(
    "--by",
    type=click.Choice([*TIMES, *KINDS]),
    default="day",
    show_default=True,
    help="What is counted apart.",
)
@click.option(
    "--only",
    callback=_read_only,
    metavar="KIND=KEY",
    help="Mail with this only, such as tag=welcome; with --by total, hour, day or"
    " sub-account.",
)
@click.option("--sub-account", default="", metavar="ID", help="Of this one only.")
@common
def stats(
    call: Call,
    *,
    first: date | None,
    last: date | None,
    by: str,
    only: tuple[Kind, str],
    sub_account: str,
) -> None:
    """Count what became of mail, by days of UTC; by default those of a week.

    Each event counts on the day on which it happened. Numbers are of this moment.
    """
    if click.get_current_context().invoked_subcommand is not None:
        return
    question = _question(first, last, only)
    if by in KINDS and only[0]:
        raise click.UsageError("--only goes with --by total, hour, day or sub-account")
    _show(call, by, run(lambda: _ask(call, by, question, sub_account)))


@stats.command(
    short_help="Recount the log.",
    epilog=example("postroom stats verify"),
)
@common
def verify(call: Call) -> None:
    """Recount the log of events, and compare: status 1 if anything differs.

    Of events that were pruned it is known how many there were.
    """
    found = run(lambda: _check(call))
    if call.as_json:
        line({"ok": not found.wrong, **asdict(found)})
    else:
        for text in found.differences:
            say(text)
        say(
            f"{found.counters} counters compared with {found.events} events"
            f" and {found.forgotten} pruned ones: {found.wrong or 'none'} differ"
        )
    if found.wrong:
        raise click.exceptions.Exit(1)


def _question(
    first: date | None, last: date | None, only: tuple[Kind, str]
) -> Question:
    until = day_number(last or datetime.now(UTC).date())
    since = until - USUAL_DAYS + 1 if first is None else day_number(first)
    if not 0 <= until - since < MOST_DAYS:
        raise click.UsageError(f"--to is up to {MOST_DAYS} days behind --from")
    return Question(since, until, *only)


async def _ask(
    call: Call, by: str, question: Question, sub_account: str
) -> Mapping[str, Counts]:
    from appliance.flow.stats import Statistics

    async with open_house(call) as store:
        if sub_account:
            owner = await pick_sub_account(store, sub_account)
            question = replace(question, sub_accounts=frozenset({owner.id}))
        await Statistics(store, time.time_ns).catch_up()
        return await _read(store, by, question)


async def _read(store: "Store", by: str, question: Question) -> Mapping[str, Counts]:
    from appliance.store.stat_answers import (
        by_day,
        by_hour,
        by_key,
        by_sub_account,
        total,
    )

    match by:
        case "total":
            return {"": await store.read(total, question)}
        case "day":
            days = await store.read(by_day, question)
            return {day.isoformat(): counts for day, counts in days.items()}
        case "hour":
            hours = await store.read(by_hour, question)
            return {
                f"{hour_of(one):%Y-%m-%dT%H:%MZ}": counts
                for one, counts in sorted(hours.items())
            }
        case "sub-account":
            owners = await store.read(by_sub_account, question)
            return {str(one): counts for one, counts in owners.items()}
        case _:
            sorted_ = replace(question, kind=KINDS[by], key="")
            return await store.read(by_key, sorted_, MOST_ROWS)


async def _check(call: Call) -> "Verdict":
    from appliance.flow.stats import Statistics
    from appliance.store.stat_check import check_stats

    async with open_house(call) as store:
        await Statistics(store, time.time_ns).catch_up()
        return await store.read(check_stats, _progress(call))


def _progress(call: Call) -> Callable[[int], None]:
    def tell(number: int) -> None:
        if not call.as_json and sys.stderr.isatty():
            click.echo(f"\r{number}", nl=False, err=True)

    return tell


def _show(call: Call, by: str, found: Mapping[str, Counts]) -> None:
    if call.as_json:
        for key, counts in found.items():
            line({**_named(by, key), **_facts(counts)})
        return
    columns = [
        name
        for name in COUNTERS
        if name in _ALWAYS or any(getattr(one, name) for one in found.values())
    ]
    headings = [by.upper(), *(one.replace("_", " ").upper() for one in columns)]
    table(headings, [_row(key, counts, columns) for key, counts in found.items()])


def _row(key: str, counts: Counts, columns: Sequence[str]) -> tuple[object, ...]:
    return (key or "-", *(getattr(counts, name) for name in columns))


def _named(by: str, key: str) -> dict[str, object]:
    """What the numbers are of, as a script reads it."""
    match by:
        case "total":
            return {}
        case "sub-account":
            return {"subAccount": int(key)}
        case "code":
            return asdict(Said.parse(key))
        case _:
            return {by: key}


def _facts(counts: Counts) -> dict[str, object]:
    return {_camel(name): number for name, number in asdict(counts).items()}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))

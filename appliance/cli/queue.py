"""`postroom queue`: what waits, why it waits, and what shall become of it."""

import time
from typing import TYPE_CHECKING

import click

from appliance.cli.common import Call, Failure, common, example, run
from appliance.cli.data import open_house, pick_pool
from appliance.cli.queue_words import Progress, filters, say_done, show
from appliance.cli.show import line, note, table
from appliance.core.queue import EVERYTHING, Act, By, Order, QueueFilter

if TYPE_CHECKING:  # flow and store take 0.3 s to import, and --help needs none
    from appliance.core.queue import Waiting
    from appliance.flow.queue import Done, QueueDesk
    from appliance.store.database import Store

MAX_LISTED = 10_000
_all = click.option("--all", "everything", is_flag=True, help="All that waits.")


@click.group(short_help="What waits, and what becomes of it.")
def queue() -> None:
    """List, count, hold, release, retry, drop and move mail that waits.

    What is in flight is left alone by all of them. A running server knows within
    a second.
    """


@queue.command(
    "list",
    short_help="List what waits.",
    epilog=example("postroom queue list --state held --older-than 1d"),
)
@click.option(
    "--after", type=click.IntRange(min=0), default=0, help="Behind this number."
)
@click.option(
    "--limit",
    type=click.IntRange(1, MAX_LISTED),
    default=100,
    show_default=True,
    help="At most so many.",
)
@filters
@common
def list_all(call: Call, *, after: int, limit: int, wanted: QueueFilter) -> None:
    """List what is queued, in flight, held or in doubt, oldest first."""
    found = run(lambda: _look(call, wanted, limit + 1, after))  # is there one more?
    show(call, found[:limit])
    if len(found) > limit:
        note(f"More: --after {found[limit - 1].number}")


@queue.command(
    short_help="Count what waits.",
    epilog=example("postroom queue count --by reason --provider mta"),
)
@click.option(
    "--by",
    type=click.Choice([one.value for one in By]),
    default=By.STATE.value,
    show_default=True,
    help="What is counted apart.",
)
@filters
@common
def count(call: Call, *, by: str, wanted: QueueFilter) -> None:
    """Count what waits, the most frequent first."""
    total, counts = run(lambda: _count(call, wanted, By(by)))
    if call.as_json:
        line({"by": by, "total": total, "counts": counts})
        return
    rows = [(key or "-", number) for key, number in counts.items()]
    table((by.upper(), "DELIVERIES"), [*rows, ("all", total)])


@queue.command(
    short_help="Keep mail from being sent.",
    epilog=example("postroom queue hold --domain example.net"),
)
@_all
@filters
@common
def hold(call: Call, *, everything: bool, wanted: QueueFilter) -> None:
    """Hold what is queued or in doubt, until it is released."""
    _act(call, Order(Act.HOLD, wanted), everything=everything)


@queue.command(
    short_help="Send what was held.",
    epilog=example("postroom queue release --domain example.net"),
)
@_all
@filters
@common
def release(call: Call, *, everything: bool, wanted: QueueFilter) -> None:
    """Release what is held: it is due now."""
    _act(call, Order(Act.RELEASE, wanted), everything=everything)


@queue.command(
    short_help="Try again now.",
    epilog=example("postroom queue retry --provider mta --reason greylisted"),
)
@_all
@filters
@common
def retry(call: Call, *, everything: bool, wanted: QueueFilter) -> None:
    """Make due now what is due later. What is in doubt is sent again."""
    _act(call, Order(Act.RETRY, wanted), everything=everything)


@queue.command(
    short_help="Give mail up.",
    epilog=example("postroom queue drop --sender-domain example.com --older-than 2d"),
)
@_all
@filters
@common
def drop(call: Call, *, everything: bool, wanted: QueueFilter) -> None:
    """Drop what waits, for good. Each delivery gets an event that says so."""
    _act(call, Order(Act.DROP, wanted), everything=everything)


@queue.command(
    short_help="Move mail to another pool.",
    epilog=example("postroom queue move --provider mta --to-pool spare"),
)
@click.option("--to-pool", required=True, metavar="NAME", help="Where to.")
@_all
@filters
@common
def move(call: Call, *, to_pool: str, everything: bool, wanted: QueueFilter) -> None:
    """Move what is queued or held to a pool, which draws its provider anew."""
    _act(call, Order(Act.MOVE, wanted), everything=everything, to_pool=to_pool)


def _act(call: Call, order: Order, *, everything: bool, to_pool: str = "") -> None:
    """Carry an order out, and say what came of it.

    Raises:
        click.UsageError: it does not say on what.
    """
    if everything == (order.wanted != EVERYTHING):
        raise click.UsageError("say which with a filter, or --all, and not both")
    progress = Progress(order.act)
    done = run(lambda: _carry_out(call, order, to_pool, progress))
    say_done(call, order.act, done.tally)


async def _carry_out(
    call: Call, order: Order, to_pool: str, progress: Progress
) -> "Done":
    from dataclasses import replace

    async with open_house(call) as store:
        desk = await _desk(store, order.wanted)
        if to_pool:
            pool = await pick_pool(store, to_pool)
            if not pool.members:
                raise Failure(f"pool {to_pool} has no provider")
            order = replace(order, pool=pool.id)
        return await desk.act(order, progress=progress)


async def _look(
    call: Call, wanted: QueueFilter, limit: int, after: int
) -> "list[Waiting]":
    async with open_house(call) as store:
        desk = await _desk(store, wanted)
        return [*await desk.look(wanted, limit, after=after)]


async def _count(call: Call, wanted: QueueFilter, by: By) -> tuple[int, dict[str, int]]:
    async with open_house(call) as store:
        return await (await _desk(store, wanted)).count(wanted, by)


async def _desk(store: "Store", wanted: QueueFilter) -> "QueueDesk":
    """The desk, where the filter's names are known.

    Raises:
        Failure: one of them is not.
    """
    from appliance.flow.queue import QueueDesk

    desk = QueueDesk(store, time.time_ns)
    wrong = await desk.find_fault(wanted)
    if wrong:
        raise Failure(wrong, "See: postroom provider list, postroom pool list")
    return desk

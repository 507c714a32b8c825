"""`postroom events`: what became known, as a list or as it happens."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import click

from appliance.cli.common import Call, common, example, run
from appliance.cli.data import open_house
from appliance.cli.events_verify import verify
from appliance.cli.show import line, note, plain, say
from appliance.core.event import EventFilter, EventType
from appliance.core.ids import parse_uuid

if TYPE_CHECKING:  # the store takes 0.2 s to import, and --help needs none
    from appliance.core.event import Event

MAX_LISTED = 10_000


def _read_types(
    ctx: click.Context, param: click.Parameter, value: Sequence[str]
) -> frozenset[EventType]:
    kinds = []
    for text in value:
        kind = EventType.parse(text)
        if kind is None:
            known = ", ".join(one.label for one in EventType)
            wrong = f"{text!r} is no type; there is: {known}"
            raise click.BadParameter(wrong, ctx, param)
        kinds.append(kind)
    return frozenset(kinds)


def _read_message(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> UUID | None:
    if value is None:
        return None
    uuid = parse_uuid(value)
    if uuid is None:
        raise click.BadParameter(f"{value!r} is no message id", ctx, param)
    return uuid


_types = click.option(
    "--type",
    "types",
    multiple=True,
    callback=_read_types,
    help="Of this type only, such as sent or 59; can be repeated.",
)
_message = click.option(
    "--message",
    callback=_read_message,
    metavar="ID",
    help="Of this message or delivery only.",
)
_number = click.IntRange(min=0)
_TEXTS = ("recipient", "group", "tag", "topic", "campaign", "pool", "provider")


def _texts(command: Callable[..., None]) -> Callable[..., None]:
    """The options that name what an event is about."""
    for name in reversed(_TEXTS):
        command = click.option(f"--{name}", default="", help=f"Of this {name} only.")(
            command
        )
    return command


@click.group(short_help="What became of the mail.")
def events() -> None:
    """List events, or follow them as they happen. Their numbers only grow."""


events.add_command(verify)


@events.command(
    "list",
    short_help="List events.",
    epilog=example("postroom events list --after 1000 --type sent --type dropped"),
)
@click.option("--after", type=_number, default=0, help="Behind this number.")
@click.option(
    "--limit",
    type=click.IntRange(1, MAX_LISTED),
    default=100,
    show_default=True,
    help="At most so many.",
)
@_types
@_message
@_texts
@common
def list_all(
    call: Call,
    /,
    *,
    after: int,
    limit: int,
    types: frozenset[EventType],
    message: UUID | None,
    **texts: str,
) -> None:
    """List events in the order of their numbers."""
    from appliance.flow.facts import event_facts

    wanted = _filter(types, message, texts)
    found = run(lambda: _load(call, after, limit + 1, wanted))  # is there one more?
    for event in found[:limit]:
        _show(call, event_facts(event))
    if len(found) > limit:
        note(f"More: --after {found[limit - 1].number}")


@events.command(
    short_help="Follow events as they happen.",
    epilog=example("postroom events tail --after 0"),
)
@click.option(
    "--after", type=_number, help="Replay from this number on. Default: only news."
)
@_types
@_message
@common
def tail(
    call: Call, *, after: int | None, types: frozenset[EventType], message: UUID | None
) -> None:
    """Follow events as they happen, until Ctrl-C.

    The number to resume from is printed at the end.
    """
    wanted = EventFilter(types, message)
    stand = _Stand(after)
    try:
        run(lambda: _follow(call, stand, wanted))
    except KeyboardInterrupt:
        note(f"\nResume with: postroom events tail --after {stand.number}")


@dataclass(slots=True)
class _Stand:
    """Where following stands, also after it was interrupted."""

    number: int | None


async def _follow(call: Call, stand: _Stand, wanted: EventFilter) -> None:
    from appliance.cli.live import Tail
    from appliance.cli.running import find_running

    async with open_house(call) as store:
        tail = Tail(
            store,
            lambda: find_running(call.data),
            wanted,
            lambda facts: _show(call, facts),
        )
        await tail.start(stand.number)
        try:
            await tail.run()
        finally:
            stand.number = tail.number


def _filter(
    types: frozenset[EventType], message: UUID | None, texts: Mapping[str, str]
) -> EventFilter:
    return EventFilter(
        types,
        message,
        recipient=texts["recipient"],
        group=texts["group"],
        tag=texts["tag"],
        topic=texts["topic"],
        campaign=texts["campaign"],
        pool=texts["pool"],
        provider=texts["provider"],
    )


async def _load(
    call: Call, after: int, limit: int, wanted: EventFilter
) -> "list[Event]":
    from appliance.store.events import list_events

    async with open_house(call) as store:
        return await store.read(list_events, wanted, after=after, limit=limit)


def _show(call: Call, facts: Mapping[str, object]) -> None:
    """One event on one line."""
    if call.as_json:
        line(facts)
        return
    data = facts["data"]
    pairs = data.items() if isinstance(data, dict) else ()
    words = [
        f"{facts['number']:>8}",
        facts["at"],
        f"{facts['name']:<12}",
        f"{facts['from']} -> {facts['to']}",
        *(f"{name}={value}" for name, value in pairs),
    ]
    say(" ".join(map(plain, words)))

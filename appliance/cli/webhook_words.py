"""How endpoints and deliveries to them are shown, and how what is wanted is typed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from appliance.cli.show import when
from appliance.core.webhook import Endpoint

if TYPE_CHECKING:  # the store takes 0.2 s to import, and --help needs none
    from appliance.store.webhook_tries import Logged

MAX_DIGITS = 19  # SQLite numbers no more
HEADINGS = ("ID", "DIALECT", "STATE", "WAITING", "TOLD UP TO", "URL")
LOG_HEADINGS = ("AT", "EVENTS", "WHAT", "TRY", "ANSWER", "TOOK", "NEXT")


def state_of(one: Endpoint) -> str:
    """How an endpoint is doing, in a word."""
    return one.standing.value if one.enabled else "paused"


def facts(one: Endpoint, waiting: int) -> dict[str, object]:
    """An endpoint as JSON; never a secret."""
    return {
        "id": one.id,
        "uuid": one.uuid,
        "account": one.account,
        "subAccount": one.sub_account,
        "dialect": one.dialect or None,
        "perMessage": one.per_message,
        "url": one.url,
        "name": one.name,
        "events": sorted(one.wanted),
        "form": one.form,
        "enabled": one.enabled,
        "state": state_of(one),
        "reason": one.reason,
        "after": one.after,
        "waiting": waiting,
        "missed": one.missed,
        "lastTaken": when(one.taken_ns),
        "disabled": when(one.disabled_ns),
        "nextTrial": when(one.health.probe_ns),
        "created": when(one.created_ns),
    }


def row(one: Endpoint, waiting: int) -> Sequence[object]:
    """An endpoint as a line of a table."""
    why = f" ({one.reason})" if one.reason else ""
    dialect = one.dialect or "named by mail"
    return one.id, dialect, state_of(one) + why, waiting, one.after, one.url


def log_facts(one: "Logged") -> dict[str, object]:
    """A delivery as JSON, with request and answer."""
    return {
        "id": one.id,
        "at": when(one.at_ns),
        "events": list(one.numbers),
        "what": one.title,
        "attempt": one.attempt,
        "taken": one.good,
        "givenUp": one.final,
        "tookMs": one.took_ms,
        "status": one.status or None,
        "error": one.error,
        "request": {"headers": one.headers, "body": one.body},
        "answer": one.answer,
    }


def log_row(one: "Logged") -> Sequence[object]:
    """A delivery as a line of a table."""
    numbers = one.numbers
    several = len(numbers) > 1
    shown = f"{numbers[0]}-{numbers[-1]}" if several else "".join(map(str, numbers))
    follows = "given up" if one.final else "tried again"
    return (
        when(one.at_ns),
        shown,
        one.title,
        one.attempt,
        one.status or one.error,
        f"{one.took_ms} ms",
        "" if one.good else follows,
    )


def read_range(
    ctx: click.Context, param: click.Parameter, value: str
) -> tuple[int, int]:
    """The numbers that ``7`` or ``7-99`` names: behind the first, up to the second.

    Raises:
        click.BadParameter: it names none.
    """
    first, dash, last = value.partition("-")
    texts = (first, last if dash else first)
    if (
        not all(one.isascii() and one.isdecimal() for one in texts)
        or max(map(len, texts)) >= MAX_DIGITS
    ):
        raise click.BadParameter(f"{value!r} is written as in: 7 or 7-99", ctx, param)
    low, high = map(int, texts)
    if not 0 < low <= high:
        raise click.BadParameter(f"{value!r} names no number", ctx, param)
    return low - 1, high

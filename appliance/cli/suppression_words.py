"""The words of `postroom suppression`: its arguments, and how answers look."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from appliance.cli.common import Call
from appliance.cli.show import line, note, say, when
from appliance.core.suppression import Suppression, SuppressionReason, Target

if TYPE_CHECKING:
    from appliance.cli.suppression_file import BadLine

PROGRESS_SECONDS = 1.0
MAX_BAD_SHOWN = 1_000
_MAX_SHOWN = 80


def read_targets(
    ctx: click.Context, param: click.Parameter, value: Sequence[str]
) -> Sequence[Target]:
    """The addresses and domains that were typed, each once.

    Raises:
        click.BadParameter: one of them is neither.
    """
    from appliance.dialects.addresses import read_target

    found: dict[str, Target] = {}
    for text in value:
        target = read_target(text)
        if target is None:
            wrong = f"{text[:_MAX_SHOWN]!r} is neither an address nor *@DOMAIN"
            raise click.BadParameter(wrong, ctx, param)
        found.setdefault(target.key, target)
    return [*found.values()]


def reason_option(help_: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option ``--reason``, None if it is not given."""
    return click.option(
        "--reason",
        type=click.Choice([one.name.lower() for one in SuppressionReason]),
        callback=_read_reason,
        help=help_,
    )


def _read_reason(
    _ctx: click.Context, _param: click.Parameter, value: str | None
) -> SuppressionReason | None:
    return None if value is None else SuppressionReason[value.upper()]


def facts(one: Suppression) -> dict[str, object]:
    """An entry for scripts."""
    return {
        "address": one.target,
        "reason": one.reason.name.lower(),
        "created": when(one.at_ns),
        "addedBy": one.source.label,
        "description": one.description,
        "delivery": one.delivery,
        "subAccount": one.sub_account,
        "number": one.id,
    }


def row(one: Suppression) -> tuple[object, ...]:
    """An entry in the table."""
    why = one.description[:_MAX_SHOWN] or "-"
    return one.target, one.reason.label, when(one.at_ns), one.source.label, why


def since(one: Suppression) -> str:
    """Why an entry is there, since when, and by whom."""
    said = f": {one.description}" if one.description else ""
    return f"{one.reason.label} since {when(one.at_ns)}, by {one.source.label}{said}"


class Books:
    """What came of an import so far; says so on standard error, once a second."""

    def __init__(self) -> None:
        self.good = 0
        self.added = 0
        self.bad = 0
        self._shown: list[BadLine] = []
        self._next = time.monotonic() + PROGRESS_SECONDS

    def note_bad(self, one: "BadLine") -> None:
        """A line that was left out; the first of them are told one by one."""
        self.bad += 1
        if len(self._shown) < MAX_BAD_SHOWN:
            self._shown.append(one)
            note(f"line {one.number}: {one.what}")

    def count(self, good: int, added: int) -> None:
        """So many lines are on disk, of which some were new."""
        self.good += good
        self.added += added
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + PROGRESS_SECONDS
            note(f"{self.good + self.bad} lines so far")

    def say(self, call: Call) -> None:
        """Print what came of it."""
        known = self.good - self.added
        if self.bad > len(self._shown):
            note(f"and {self.bad - len(self._shown)} bad lines more")
        if call.as_json:
            bad = [{"line": one.number, "what": one.what} for one in self._shown]
            counts = {"added": self.added, "known": known, "bad": self.bad}
            line({**counts, "badLines": bad})
        else:
            say(f"{self.added} added, {known} there already, {self.bad} bad.")

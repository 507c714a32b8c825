"""The words of `postroom suppression`: its arguments, and how answers look."""

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from appliance.cli.common import Call
from appliance.cli.show import line, note, say, when
from appliance.core.suppression import (
    EVERYTHING,
    Scope,
    Suppression,
    SuppressionReason,
    Target,
    WholeDomain,
    is_topic,
)

if TYPE_CHECKING:
    from appliance.cli.suppression_file import BadLine

PROGRESS_SECONDS = 1.0
MAX_BAD_SHOWN = 1_000
COLUMNS = ("ADDRESS", "FOR", "REASON", "SINCE", "UNTIL", "ADDED BY", "WHY")
ALL_TOPICS = "*"
_MAX_SHOWN = 80

_Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

owner_option = click.option(
    "--sub-account", default="", metavar="ID", help="Whose list. Default: the first."
)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What counts for lines of a file that do not say it."""

    reason: SuppressionReason = SuppressionReason.MANUAL
    scope: Scope = EVERYTHING


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


def scope_options(about: str) -> _Decorator:
    """The options ``--topic`` and ``--domain`` as one ``scope``, None for neither."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option(
            "--topic",
            metavar="TOPIC",
            help=f"{about} mail of this topic; '*' is what is about all mail.",
        )
        @click.option(
            "--domain", metavar="DOMAIN", help=f"{about} mail from this domain."
        )
        @functools.wraps(command)
        def scoped(
            *args: object, topic: str | None, domain: str | None, **rest: object
        ) -> object:
            return command(*args, scope=_scope(topic, domain), **rest)

        return scoped

    return decorate


def _scope(topic: str | None, domain: str | None) -> Scope | None:
    if topic is None and domain is None:
        return None
    scope = read_scope(topic or "", domain or "")
    if isinstance(scope, str):
        raise click.UsageError(scope)
    return scope


def read_scope(topic: str, domain: str) -> Scope | str:
    """What mail is meant, or what is wrong; ``*`` is no topic but all."""
    from appliance.dialects.addresses import read_target

    if topic == ALL_TOPICS:
        topic = ""
    if topic and domain:
        return "an entry has a topic or a domain, not both"
    if topic and not is_topic(topic):
        return f"{topic[:_MAX_SHOWN]!r} is no topic"
    if not domain:
        return Scope(topic) if topic else EVERYTHING
    whole = read_target(f"@{domain}")
    if not isinstance(whole, WholeDomain):
        return f"{domain[:_MAX_SHOWN]!r} is no domain"
    return Scope("", whole.domain)


def reason_option(help_: str) -> _Decorator:
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


def _read_lasting(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> float | None:
    from appliance.settings.kinds import duration

    if value is None:
        return None
    kind = duration(1)
    try:
        return kind.read(value)
    except ValueError:
        wrong = f"{value[:_MAX_SHOWN]!r} is not {kind.expected}"
        raise click.BadParameter(wrong, ctx, param) from None


lasting_option = click.option(
    "--for",
    "lasting",
    metavar="TIME",
    callback=_read_lasting,
    help="Until then, such as 90d. Default: for ever.",
)


def mail_of(one: Suppression) -> str:
    """What mail an entry is about, in a sentence."""
    if one.scope.topic:
        return f"mail of topic {one.scope.topic}"
    return one.scope.label or "mail"


def facts(one: Suppression) -> dict[str, object]:
    """An entry for scripts."""
    return {
        "address": one.target,
        "reason": one.reason.name.lower(),
        "created": when(one.at_ns),
        "topic": one.scope.topic or None,
        "domain": one.scope.domain or None,
        "expires": None if one.expires_ns is None else when(one.expires_ns),
        "addedBy": one.source.label,
        "description": one.description,
        "delivery": one.delivery,
        "subAccount": one.sub_account,
        "number": one.id,
    }


def row(one: Suppression) -> tuple[object, ...]:
    """An entry in the table."""
    why = one.description[:_MAX_SHOWN] or "-"
    about = one.scope.label or "all mail"
    until = "-" if one.expires_ns is None else when(one.expires_ns)
    moments = when(one.at_ns), until
    return one.target, about, one.reason.label, *moments, one.source.label, why


def since(one: Suppression) -> str:
    """Why an entry is there, for what mail, since when, until when, and by whom."""
    said = f": {one.description}" if one.description else ""
    until = "" if one.expires_ns is None else f" until {when(one.expires_ns)}"
    why = ", ".join(filter(None, (one.reason.label, one.scope.label)))
    return f"{why} since {when(one.at_ns)}{until}, by {one.source.label}{said}"


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

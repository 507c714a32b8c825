"""Limits as an operator types and reads them: ``100``, ``gmail=50/h``, ``none``."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

import click

from appliance.cli.common import Failure
from appliance.cli.data import domain_name
from appliance.core.recipient_class import RecipientClass
from appliance.core.throttle import UNLIMITED, Limit, Limits, check_limit

Key: TypeAlias = RecipientClass | str
K = TypeVar("K")

NONE = "none"
_CLASSES = {one.value: one for one in RecipientClass}
_MAX_DIGITS = 10
_LIMITS = {"h": "per_hour", "s": "per_second", "c": "at_once"}


@dataclass(frozen=True, slots=True)
class Rate:
    """A number per hour or per second that is set; None: it is lifted."""

    number: int | None


@dataclass(frozen=True, slots=True)
class Rule:
    """A limit of a class of recipients, or of a domain; no limit: it is lifted."""

    key: Key
    limit: Limit


def read_rate(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> Rate | None:
    """The rate that was typed; None if none was.

    Raises:
        click.BadParameter: it is no rate.
    """
    if value is None:
        return None
    if value == NONE:
        return Rate(None)
    number = _number(value)
    if wrong := check_limit(Limit(number)) or ("" if number else "it is no number"):
        raise click.BadParameter(f"{value!r}: {wrong}, or the word none", ctx, param)
    return Rate(number)


def read_rules(
    ctx: click.Context, param: click.Parameter, value: Sequence[str]
) -> tuple[Rule, ...]:
    """The rules that were typed.

    Raises:
        click.BadParameter: one of them is none.
    """
    try:
        return tuple(map(_read_rule, value))
    except (ValueError, Failure) as error:
        raise click.BadParameter(str(error), ctx, param) from None


def changed(
    limits: Limits,
    per_hour: Rate | None,
    per_second: Rate | None,
    rules: Sequence[Rule],
) -> Limits:
    """``limits`` with what was typed in the places of what it was."""
    overall = limits.overall
    if per_hour is not None:
        overall = replace(overall, per_hour=per_hour.number)
    if per_second is not None:
        overall = replace(overall, per_second=per_second.number)
    classes, domains = dict(limits.classes), dict(limits.domains)
    for key, limit in _merged(rules).items():
        if isinstance(key, RecipientClass):
            _place(classes, key, limit)
        else:
            _place(domains, key, limit)
    return Limits(overall, classes, domains)


def limit_facts(limits: Limits) -> dict[str, object]:
    """The limits as JSON."""
    return {
        "overall": str(limits.overall),
        "classes": {one.value: str(each) for one, each in limits.classes.items()},
        "domains": {name: str(each) for name, each in limits.domains.items()},
    }


def limit_words(limits: Limits) -> str:
    """The limits on one line, "" if there are none."""
    return "; ".join(_words(limits))


def _words(limits: Limits) -> Iterator[str]:
    if limits.overall:
        yield str(limits.overall)
    for one, limit in limits.classes.items():
        yield f"{one.value} {limit}"
    for name, limit in limits.domains.items():
        yield f"{name} {limit}"


def _merged(rules: Sequence[Rule]) -> dict[Key, Limit]:
    """The limit of each key; two rules of one key are two of its numbers."""
    found: dict[Key, Limit] = {}
    for rule in rules:
        before = found.get(rule.key, UNLIMITED)
        both = Limit(
            rule.limit.per_hour or before.per_hour,
            rule.limit.per_second or before.per_second,
            rule.limit.at_once or before.at_once,
        )
        found[rule.key] = both if rule.limit else UNLIMITED
    return found


def _place(table: dict[K, Limit], key: K, limit: Limit) -> None:
    table.pop(key, None)
    if limit:
        table[key] = limit


def _read_rule(text: str) -> Rule:
    key, equals, rate = text.rpartition("=")
    number, slash, unit = rate.partition("/")
    if not (key and equals) or (rate != NONE and not (slash and unit in _LIMITS)):
        raise ValueError(f"{text!r} is not written as in: gmail=100/h")
    limit = UNLIMITED
    if rate != NONE:
        count = _number(number)
        limit = Limit(**{_LIMITS[unit]: count})
        if wrong := check_limit(limit) or ("" if count else "it has no number"):
            raise ValueError(f"{text!r}: {wrong}")
    return Rule(_read_key(key), limit)


def _read_key(text: str) -> Key:
    known = _CLASSES.get(text.lower())
    if known is not None:
        return known
    if "." not in text:
        classes = ", ".join(_CLASSES)
        raise ValueError(f"{text!r} is neither a domain nor one of {classes}")
    return domain_name(text)


def _number(text: str) -> int | None:
    fits = text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS
    return int(text) if fits else None

"""The 27 ``<class>Settings`` of a provider: a limit for each kind of recipient.

Each is a string that holds JSON, as on the vendor's own object (spec 10.4), or
that JSON itself: how much mail in an hour, and on how many connections at a time.
What else a setting says is ignored.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

from appliance.core.recipient_class import RecipientClass
from appliance.dialects.decode import Malformed, decode
from appliance.dialects.sendpost.errors import Problem, invalid

MAX_PER_HOUR = 100_000
MAX_CONNECTIONS = 10_000  # not published
_NOTHING = (b"null", b'""')
COLUMNS: Mapping[RecipientClass, str] = MappingProxyType(
    {one: f"{one.value}Settings" for one in RecipientClass}
)


@dataclass(frozen=True, slots=True)
class ClassRule:
    """What is set for one class; None: nothing."""

    per_hour: int | None = None
    connections: int | None = None


NO_RULE = ClassRule()


class _Setting(msgspec.Struct, frozen=True, rename="camel"):
    name: str | None = None
    max_concurrent_connections: int | None = None
    max_rate_per_hour: int | None = None


_string = msgspec.json.Decoder(str).decode
_SETTING = msgspec.json.Decoder(_Setting)


def read_class_settings(
    body: Mapping[str, msgspec.Raw],
) -> dict[RecipientClass, ClassRule] | Problem:
    """The rule of each class that ``body`` names; ``NO_RULE`` for null and ""."""
    found = {}
    for one, column in COLUMNS.items():
        if column in body:
            rule = _read(one, column, bytes(body[column]))
            if isinstance(rule, Problem):
                return rule
            found[one] = rule
    return found


def class_columns(
    rules: Mapping[RecipientClass, ClassRule],
) -> Iterator[tuple[str, str | None]]:
    """All 27 columns in order, each with its JSON text, or None for no rule."""
    for one, column in COLUMNS.items():
        rule = rules.get(one, NO_RULE)
        yield column, None if rule == NO_RULE else _write(one, rule)


def _read(one: RecipientClass, column: str, raw: bytes) -> ClassRule | Problem:
    if raw in _NOTHING:
        return NO_RULE
    text = _string(raw).encode() if raw.startswith(b'"') else raw
    setting = decode(_SETTING, text)
    if isinstance(setting, Malformed):
        where = f"{column}.{setting.path}" if setting.path else column
        return invalid(where, setting.what)
    if setting.name not in (None, "", one.value):
        return invalid(f"{column}.name", f"{column} is for {one.value} alone")
    rule = ClassRule(setting.max_rate_per_hour, setting.max_concurrent_connections)
    return _check(column, rule) or rule


def _check(column: str, rule: ClassRule) -> Problem | None:
    for name, value, most in (
        ("maxRatePerHour", rule.per_hour, MAX_PER_HOUR),
        ("maxConcurrentConnections", rule.connections, MAX_CONNECTIONS),
    ):
        if value is not None and not 1 <= value <= most:
            param = f"{column}.{name}"
            return invalid(param, f"{param} is a whole number from 1 to {most}")
    return None


def _write(one: RecipientClass, rule: ClassRule) -> str:
    facts: dict[str, object] = {"name": one.value}
    if rule.connections is not None:
        facts["maxConcurrentConnections"] = rule.connections
    if rule.per_hour is not None:
        facts["maxRatePerHour"] = rule.per_hour
    return msgspec.json.encode(facts).decode()

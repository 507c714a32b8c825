"""The headers that set tags, topic and campaign of mail sent by SMTP (spec 15.5).

They are held to the same patterns as the fields of the HTTP API (spec 4). What is
wrong with one is told to the sender; nothing is guessed or dropped. An RFC 2047
encoded value fits no pattern.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

import msgspec

from appliance.core.refusal import Reason, Refusal
from appliance.core.submission import NO_DIMENSIONS, Dimensions
from appliance.dialects.decode import Malformed, decode

TAGS = "X-Anypost-Tags"
TAG = "X-Anypost-Tag"
TOPIC = "X-Anypost-Topic"
CAMPAIGN = "X-Campaign"
MAX_TAGS = 10
# Ten tags with each character escaped take 4,000; repetitions need not be endless.
MAX_ARRAY_CHARS = 8_192

_PREFIX = "x-anypost-"
_SHOWN = MappingProxyType({one.lower(): one for one in (TAGS, TAG, TOPIC, CAMPAIGN)})
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TOPIC = re.compile(r"[a-z0-9_.-]{1,64}")
_read_array = msgspec.json.Decoder(list[str])

_Given: TypeAlias = Mapping[str, Sequence[str]]  # the values of each header


def strips(name: str) -> bool:
    """True for the headers read here and all others of the vendor's prefix.

    ``name`` is in lower case.
    """
    return name in _SHOWN or name.startswith(_PREFIX)


def read_dimensions(headers: Sequence[tuple[str, str]]) -> Dimensions | Refusal:
    """Tags, topic and campaign, or what is wrong with the first bad header.

    Names are in lower case, values unfolded and trimmed.
    """
    given = _collect(headers)
    if not given:
        return NO_DIMENSIONS
    refusal = _check_counts(given)
    if refusal is not None:
        return refusal
    tags = _read_tags(given)
    if isinstance(tags, Refusal):
        return tags
    topic = _read_one(given, TOPIC, _TOPIC)
    if isinstance(topic, Refusal):
        return topic
    campaign = _read_one(given, CAMPAIGN, _LABEL)
    if isinstance(campaign, Refusal):
        return campaign
    return Dimensions(tags=tags, topic=topic, campaign=campaign)


def _collect(headers: Sequence[tuple[str, str]]) -> _Given:
    given: dict[str, list[str]] = {}
    for name, value in headers:
        if name in _SHOWN:
            given.setdefault(_SHOWN[name], []).append(value)
    return given


def _check_counts(given: _Given) -> Refusal | None:
    for name in (TAGS, TOPIC, CAMPAIGN):
        if len(given.get(name, ())) > 1:
            return _bad(name, "appears more than once")
    if TAGS in given and TAG in given:
        return _bad(TAGS, f"cannot be combined with {TAG}")
    return None


def _read_tags(given: _Given) -> tuple[str, ...] | Refusal:
    if TAGS not in given:
        return _check_tags(TAG, given.get(TAG, ()))
    (text,) = given[TAGS]
    if len(text) > MAX_ARRAY_CHARS:
        return _bad(TAGS, f"is longer than {MAX_ARRAY_CHARS} characters")
    # A surrogate is let through to be found: it is not UTF-8.
    tags = decode(_read_array, text.encode("utf-8", "surrogatepass"))
    if isinstance(tags, Malformed):
        return _bad(TAGS, "is not a JSON array of strings")
    return _check_tags(TAGS, tags)


def _check_tags(name: str, tags: Sequence[str]) -> tuple[str, ...] | Refusal:
    """The tags without repetitions, in the order of their first appearance."""
    for tag in tags:
        if not _LABEL.fullmatch(tag):
            return _mismatch(name, tag, _LABEL)
    distinct = tuple(dict.fromkeys(tags))
    if len(distinct) > MAX_TAGS:
        return _bad(name, f"more than {MAX_TAGS} tags")
    return distinct


def _read_one(given: _Given, name: str, pattern: re.Pattern[str]) -> str | Refusal:
    if name not in given:
        return ""
    (value,) = given[name]
    return value if pattern.fullmatch(value) else _mismatch(name, value, pattern)


def _mismatch(name: str, value: str, pattern: re.Pattern[str]) -> Refusal:
    return _bad(name, f'"{value[:100]}" does not match {pattern.pattern}')


def _bad(name: str, what: str) -> Refusal:
    return Refusal(Reason.INVALID_VALUE, name, what)

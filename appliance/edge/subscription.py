"""Whether a websocket handshake may become a subscription, and to what.

Pure: the handshake's words in, a subscription or a refusal out. A page of a
foreign site must not read along with a cookie that the browser adds: browsers
send Origin with every websocket handshake, so a foreign one is refused.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from appliance.core.event import EventFilter, EventType
from appliance.core.ids import SubAccountId
from appliance.core.moments import read_moment

Headers = Sequence[tuple[bytes, bytes]]

_MAX_PARAMETERS = 20
_MAX_TEXT = 1_000  # characters of one value
_MAX_NUMBER = 2**63 - 1  # what the log's numbers can be


@dataclass(frozen=True, slots=True)
class Refused:
    """No subscription: the HTTP status and what is wrong."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What a subscriber asks for; from now on if ``after`` is None."""

    after: int | None
    wanted: EventFilter


def read_wish(target: str) -> Wish | Refused:
    """What the query asks for: ``after=N&type=sent,59&message=UUID``, all optional.

    And by ``recipient``, ``group``, ``tag``, ``topic``, ``campaign``, ``pool``,
    ``provider``, ``subAccount``, ``since`` and ``until``, a day or a moment each.
    """
    query = target.partition("?")[2]
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        return Refused(400, "too many parameters")
    after: int | None = None
    fields: dict[str, Any] = {}
    seen: set[str] = set()
    for name, value in pairs:
        if name in seen:
            return Refused(400, f"{name[:50]} is given twice")
        seen.add(name)
        try:
            if name == "after":
                after = read_number(value)
            elif name in _WORDS:
                field, read = _WORDS[name]
                fields[field] = read(value)
            else:
                return Refused(400, f"there is no parameter {name[:50]}")
        except ValueError:
            return Refused(400, f"{name} cannot be {value[:50]!r}")
    return Wish(after, EventFilter(**fields))


def narrowed(wanted: EventFilter, viewer: SubAccountId | None) -> EventFilter | Refused:
    """What a viewer gets to see of it: of a sub-account, its own (ATTACKS 12)."""
    if viewer is None:
        return wanted
    if wanted.sub_account not in (None, viewer):
        return Refused(403, "this key sees its own sub-account only")
    return replace(wanted, sub_account=viewer)


def is_foreign(headers: Headers, own: Collection[str]) -> bool:
    """True if a page that is neither of this host nor in ``own`` asks."""
    origins = [value for name, value in headers if name == b"origin"]
    hosts = [value for name, value in headers if name == b"host"]
    if not origins:
        return False
    origin = origins[0].decode("latin-1").lower()
    if len(origins) > 1:
        return True
    if origin in own:
        return False
    try:
        parts = urlsplit(origin)
    except ValueError:
        return True
    host = hosts[0].decode("latin-1").lower() if hosts else ""
    return parts.scheme not in {"http", "https"} or not host or parts.netloc != host


def read_number(text: str) -> int:
    """The number of an event, or of a row.

    Raises:
        ValueError: it cannot be one.
    """
    if not text.isascii() or not text.isdecimal() or int(text) > _MAX_NUMBER:
        raise ValueError(text)
    return int(text)


def _types(text: str) -> frozenset[EventType]:
    return frozenset(map(_type, text.split(",")))


def _type(text: str) -> EventType:
    kind = EventType.parse(text)
    if kind is None:
        raise ValueError(text)
    return kind


def _text(text: str) -> str:
    if not text or len(text) > _MAX_TEXT:
        raise ValueError(text)
    text.encode()  # lone surrogates are in no column
    return text


def _since(text: str) -> int:
    return _moment(read_moment(text))


def _until(text: str) -> int:
    return _moment(read_moment(text, end_of_day=True))


def _moment(ns: int | None) -> int:
    if ns is None:
        raise ValueError
    return ns


# By the name in a query: the field of the filter, and how its value is read.
_WORDS: Mapping[str, tuple[str, Callable[[str], object]]] = MappingProxyType(
    {
        "type": ("types", _types),
        "message": ("message", UUID),
        "subAccount": ("sub_account", read_number),
        "recipient": ("recipient", _text),
        "group": ("group", _text),
        "tag": ("tag", _text),
        "topic": ("topic", _text),
        "campaign": ("campaign", _text),
        "pool": ("pool", _text),
        "provider": ("provider", _text),
        "since": ("since_ns", _since),
        "until": ("until_ns", _until),
    }
)

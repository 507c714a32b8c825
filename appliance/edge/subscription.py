"""Whether a websocket handshake may become a subscription, and to what.

Pure: the handshake's words in, a subscription or a refusal out. A page of a
foreign site must not read along with a cookie that the browser adds: browsers
send Origin with every websocket handshake, so a foreign one is refused.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from appliance.core.event import EventFilter, EventType

Headers = Sequence[tuple[bytes, bytes]]

_MAX_PARAMETERS = 20
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
    """What the query asks for: ``after=N&type=sent,59&message=UUID``, all optional."""
    query = target.partition("?")[2]
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        return Refused(400, "too many parameters")
    after: int | None = None
    types: frozenset[EventType] = frozenset()
    message: UUID | None = None
    seen: set[str] = set()
    for name, value in pairs:
        if name in seen:
            return Refused(400, f"{name[:50]} is given twice")
        seen.add(name)
        try:
            if name == "after":
                after = _number(value)
            elif name == "type":
                types = frozenset(map(_type, value.split(",")))
            elif name == "message":
                message = UUID(value)
            else:
                return Refused(400, f"there is no parameter {name[:50]}")
        except ValueError:
            return Refused(400, f"{name} cannot be {value[:50]!r}")
    return Wish(after, EventFilter(types, message))


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


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > _MAX_NUMBER:
        raise ValueError(text)
    return int(text)


def _type(text: str) -> EventType:
    kind = EventType.parse(text)
    if kind is None:
        raise ValueError(text)
    return kind

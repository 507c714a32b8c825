"""How we tell an event: one JSON object, the same in API, websocket and command."""

from datetime import UTC, datetime

import msgspec

from appliance.core.event import Event
from appliance.core.submission import Dimensions

_NS = 1_000_000_000


def event_facts(event: Event) -> dict[str, object]:
    """What is told of an event; ``data`` may hold text from outside."""
    about = event.about
    return {
        "number": int(event.number),
        "type": int(event.type),
        "name": event.type.label,
        "at": moment(event.at_ns),
        "subAccount": int(about.sub_account),
        "message": str(about.message),
        "delivery": str(about.delivery),
        "from": about.sender,
        "to": about.recipient,
        "pool": about.pool,
        "provider": about.provider,
        "dimensions": _attached(about.dimensions),
        "data": dict(event.data),
    }


def _attached(dimensions: Dimensions) -> dict[str, object]:
    """What the sender attached, without what it did not."""
    facts = {
        "groups": list(dimensions.groups),
        "tags": list(dimensions.tags),
        "topic": dimensions.topic,
        "campaign": dimensions.campaign,
        "metadata": dict(dimensions.metadata),
    }
    return {name: value for name, value in facts.items() if value}


def render_event(event: Event) -> str:
    """The event as one line of JSON."""
    return msgspec.json.encode(event_facts(event)).decode()


def moment(ns: int) -> str:
    """A moment as people and scripts read it (RFC 3339, UTC, milliseconds)."""
    at = datetime.fromtimestamp(ns // _NS, tz=UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{ns % _NS // 1_000_000:03d}Z"

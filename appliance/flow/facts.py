"""How we tell an event, or a delivery that waits: one JSON object, everywhere alike."""

from datetime import UTC, datetime

import msgspec

from appliance.core.breaker import Health
from appliance.core.event import Event
from appliance.core.queue import Tally, Waiting
from appliance.core.queue_words import state_word
from appliance.core.submission import Dimensions
from appliance.store.messages import DeliveryStatus

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
        "message": str(about.message) if about.message.int else None,
        "delivery": str(about.delivery) if about.delivery.int else None,
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


def waiting_facts(one: Waiting) -> dict[str, object]:
    """What is told of a delivery in the queue; the texts may be from outside."""
    until_ns = one.waits_until_ns
    return {
        "number": int(one.number),
        "delivery": str(one.uuid),
        "message": str(one.message),
        "subAccount": int(one.sub_account),
        "from": one.sender,
        "to": one.recipient,
        "subject": one.subject,
        "state": state_word(one.state),
        "pool": one.pool,
        "provider": one.provider,
        "attempts": one.attempts,
        "since": moment(one.created_ns),
        "due": None if one.due_ns is None else moment(one.due_ns),
        "waitsFor": one.waits_for,
        "waitsUntil": None if until_ns is None else moment(until_ns),
        "draw": one.draw,
        "lastCode": one.last_code,
        "lastText": one.last_text,
    }


def copy_facts(one: DeliveryStatus) -> dict[str, object]:
    """What is told of one copy of a message, whatever became of it."""
    return {
        "delivery": str(one.uuid),
        "to": one.recipient,
        "state": state_word(one.state),
        "pool": one.pool,
        "provider": one.provider,
        "attempts": one.attempts,
        "accepted": moment(one.created_ns),
        "due": None if one.due_ns is None else moment(one.due_ns),
        "settled": None if one.settled_ns is None else moment(one.settled_ns),
        "lastCode": one.last_code,
        "lastText": one.last_text,
    }


def tally_facts(tally: Tally) -> dict[str, int]:
    """What an act on the queue did, and what it left."""
    return {
        "changed": tally.changed,
        "inFlight": tally.in_flight,
        "unchanged": tally.unchanged,
    }


def health_facts(health: Health, now_ns: int) -> dict[str, object]:
    """What is told of an upstream's health; the error may be in its own words."""
    return {
        "state": health.condition(now_ns).value,
        "failures": health.failures,
        "since": None if health.opened_ns is None else moment(health.opened_ns),
        "nextTrial": None if health.probe_ns is None else moment(health.probe_ns),
        "lastError": health.last_error,
        "lastErrorAt": moment(health.last_error_ns) if health.last_error_ns else None,
    }


def render_event(event: Event) -> str:
    """The event as one line of JSON."""
    return msgspec.json.encode(event_facts(event)).decode()


def moment(ns: int) -> str:
    """A moment as people and scripts read it (RFC 3339, UTC, milliseconds)."""
    at = datetime.fromtimestamp(ns // _NS, tz=UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{ns % _NS // 1_000_000:03d}Z"

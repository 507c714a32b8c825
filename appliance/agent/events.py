"""What is sent: an event as the endpoint documents it, in JSON."""

import json
import re
from collections.abc import Sequence

from appliance import __version__
from appliance.agent.correlate import Event

_encode = json.JSONEncoder(separators=(",", ":")).encode
_CODE = re.compile(r"(?:^|said: |talk to me: )([245][0-5]\d)[ -]")


def encode_event(event: Event, at_ns: int) -> bytes:
    """One event; what is not known is left out.

    Bounces are judged by the server; only that a mail was given up for its age is
    known here better.
    """
    code = _CODE.search(event.text)
    told: dict[str, object] = {
        "message_id": str(event.uuid),
        "event_type": event.kind,
        "recipient": event.recipient,
        "smtp_code": int(code[1]) if code else 0,
        "enhanced_code": event.enhanced,
        "smtp_description": event.text,
        "timestamp": at_ns,
        "queue_id": event.queue_id,
        "relay": event.relay,
        "hostname": event.host,
    }
    if event.expired:
        told |= {"classification": "soft", "reason": "expired"}
    known = {name: value for name, value in told.items() if value}
    return _encode(known).encode()


def encode_batch(events: Sequence[bytes]) -> bytes:
    """A body that holds these; none is a sign of life."""
    head = json.dumps({"agent_version": __version__, "mta": "postfix"})
    return b'%s, "events": [%s]}' % (head[:-1].encode(), b", ".join(events))

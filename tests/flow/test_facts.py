"""How an event is told."""

import json

from appliance.core.event import About, Event, EventType
from appliance.core.ids import EventNumber, SubAccountId, uuid7
from appliance.core.submission import Dimensions
from appliance.flow.facts import event_facts, moment, render_event


def test_an_event_is_one_flat_object_in_json() -> None:
    """Its number, what, when, about which delivery, and what came with it."""
    about = About(SubAccountId(1), uuid7(), uuid7(), "a@b.example", "c@d.example", "p")
    data = {"text": "250 \u2028\x1b[2J"}
    event = Event(
        EventNumber(7), EventType.SENT, 1_700_000_000_000_000_000, about, data
    )
    assert json.loads(render_event(event)) == event_facts(event)
    assert event_facts(event) == {
        "number": 7,
        "type": 59,
        "name": "sent",
        "at": "2023-11-14T22:13:20.000Z",
        "subAccount": 1,
        "message": str(about.message),
        "delivery": str(about.delivery),
        "from": "a@b.example",
        "to": "c@d.example",
        "pool": "p",
        "provider": "",
        "dimensions": {},
        "data": data,
    }


def test_moments_are_cut_not_rounded() -> None:
    """An event is never told to be later than it was."""
    assert moment(1_999_999_999_999_999_999) == "2033-05-18T03:33:19.999Z"


def test_what_the_sender_attached_is_told() -> None:
    """By name, and without what it did not attach."""
    attached = Dimensions(tags=("a", "b"), topic="t", metadata={"order": "4711"})
    about = About(SubAccountId(1), uuid7(), uuid7(), "a@b", "c@d", dimensions=attached)
    event = Event(EventNumber(7), EventType.SENT, 1, about)
    assert event_facts(event)["dimensions"] == {
        "tags": ["a", "b"],
        "topic": "t",
        "metadata": {"order": "4711"},
    }

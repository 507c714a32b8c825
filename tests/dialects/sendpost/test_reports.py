"""The envelope, each event, the answer (spec 11.1 to 11.3)."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.event import EventType
from appliance.core.report import Report
from appliance.dialects.sendpost.errors import Fault, Problem
from appliance.dialects.sendpost.reports import (
    MAX_EVENTS,
    MAX_TEXT,
    MAX_WORD,
    NOT_YOURS,
    Flaw,
    Item,
    parse_reports,
    render_reports,
)

ID = UUID("0190a0b0-1111-7222-8333-444455556666")
DELIVERED = {"message_id": str(ID), "event_type": "delivered"}


def parsed(body: object) -> list[Item]:
    """The events of a body that is well-formed."""
    items = parse_reports(json.dumps(body).encode())
    assert isinstance(items, list)
    return items


def report(**fields: object) -> Report:
    """The one event with these fields."""
    (item,) = parsed({**DELIVERED, **fields})
    assert isinstance(item, Report), item
    return item


def flaw(event: object) -> Flaw:
    """Why an event is not taken."""
    (item,) = parsed([event])
    assert isinstance(item, Flaw), item
    return item


@pytest.mark.parametrize("body", [{"events": [DELIVERED]}, [DELIVERED], DELIVERED])
def test_three_envelopes_mean_the_same(body: object) -> None:
    """Spec 11.2."""
    (item,) = parsed(body)
    assert isinstance(item, Report)
    assert (item.type, item.delivery) == (EventType.DELIVERED, ID)


@pytest.mark.parametrize("body", [{"events": []}, [], {"events": None}])
def test_no_events_are_a_sign_of_life(body: object) -> None:
    """An agent says so once a minute."""
    assert parsed(body) == []


def test_all_that_an_agent_may_tell() -> None:
    """What is not known is ignored, null is absent, the id has no case."""
    item = report(
        message_id=str(ID).upper(),
        recipient="<Bob@x.example>",
        smtp_code="250",
        smtp_description="250 2.0.0 Ok",
        enhanced_code="2.0.0",
        timestamp="2023-11-14T22:13:20Z",
        queue_id="4ABC",
        relay="mx.x.example[192.0.2.1]:25",
        mta="postfix",
        hostname="mta1",
        agent_version="9",
        reason=None,
        more={"x": 1},
    )
    assert item == Report(
        EventType.DELIVERED,
        ID,
        "Bob@x.example",
        1_700_000_000_000_000_000,
        {
            "code": 250,
            "text": "250 2.0.0 Ok",
            "enhanced": "2.0.0",
            "queueId": "4ABC",
            "relay": "mx.x.example[192.0.2.1]:25",
            "mta": "postfix",
            "host": "mta1",
            "via": "agent",
        },
    )


@pytest.mark.parametrize("name", ["bounced", "soft_bounced"])
def test_both_names_of_a_bounce_are_judged_by_what_was_said(name: str) -> None:
    """Spec 11.1; the reason and the rule are kept beside hard or soft."""
    hard = report(
        event_type=name, smtp_description="550 5.1.1 <b@x.example>: User unknown"
    )
    soft = report(event_type=name, smtp_code=552, enhanced_code="5.2.2")
    assert hard.type is EventType.HARD_BOUNCED
    assert hard.data["reason"] == "user_unknown"
    assert hard.data["rule"]
    assert soft.type is EventType.SOFT_BOUNCED
    assert report(event_type=name).type is EventType.SOFT_BOUNCED


def test_an_agent_that_has_judged_is_believed() -> None:
    """Its rules may be newer than ours."""
    told = {"event_type": "bounced", "smtp_description": "550 5.1.1 User unknown"}
    soft = report(**told, classification="soft", reason="blocked")
    assert (soft.type, soft.data["reason"]) == (EventType.SOFT_BOUNCED, "blocked")
    hard = report(event_type="bounced", classification="hard")
    assert hard.type is EventType.HARD_BOUNCED
    assert "reason" not in hard.data


def test_deferred_is_neither_an_end_nor_refused() -> None:
    """What it becomes is for the store."""
    assert report(event_type="deferred").type is EventType.DEFERRED


@pytest.mark.parametrize(
    ("event", "word"),
    [
        ({}, "message_id is required"),
        (5, "object"),
        (None, "object"),
        ({**DELIVERED, "message_id": "x"}, "not a UUID"),
        ({**DELIVERED, "message_id": ID.hex}, "not a UUID"),
        ({**DELIVERED, "event_type": "opened"}, "event_type is not one of"),
        ({**DELIVERED, "smtp_code": [1]}, "smtp_code"),
        ({**DELIVERED, "timestamp": "yesterday"}, "timestamp is neither"),
        ({**DELIVERED, "classification": "maybe"}, "classification"),
    ],
)
def test_a_bad_event_says_why_and_spoils_no_other(event: object, word: str) -> None:
    """Spec 11.2: bad items never fail the batch."""
    good, bad, again = parsed({"events": [DELIVERED, event, DELIVERED]})
    assert isinstance(good, Report)
    assert good == again
    assert isinstance(bad, Flaw)
    assert word in bad.error
    answer = json.loads(render_reports([good, bad, again], [True, False]))
    assert (answer["accepted"], answer["rejected"]) == (1, 2)
    assert [one["index"] for one in answer["errors"]] == [1, 2]
    assert answer["errors"][1] == {
        "index": 2,
        "message_id": str(ID),
        "error": NOT_YOURS,
    }


@pytest.mark.parametrize("body", [b"", b"x", b"5", b'"x"', b"[", b"\xff", b"null"])
def test_what_is_no_envelope_is_a_problem(body: bytes) -> None:
    """422 as everywhere."""
    problem = parse_reports(body)
    assert isinstance(problem, Problem)
    assert problem.fault is Fault.INVALID


def test_too_many_and_too_deep() -> None:
    """ATTACKS 24: one event above the bound is refused whole; nesting is no crash."""
    assert len(parsed([DELIVERED] * MAX_EVENTS)) == MAX_EVENTS
    problem = parse_reports(json.dumps([DELIVERED] * (MAX_EVENTS + 1)).encode())
    assert isinstance(problem, Problem)
    assert problem.fault is Fault.TOO_LARGE
    assert isinstance(parse_reports(b"[" * 100_000), Problem)
    deep = b'{"events":[{"message_id":' + b"[" * 5_000 + b"]" * 5_000 + b"}]}"
    assert not isinstance(parse_reports(deep), Report)


def test_texts_made_to_look_like_log_lines_stay_one_line_and_short() -> None:
    """ATTACKS 25: line ends, escapes, overrides, a megabyte, impossible numbers."""
    line = "250 ok\r\npostfix/smtp[1]: 4ABC: to=<x>, status=bounced\x1b[2J\u202e"
    item = report(
        smtp_description=line * 20_000,
        queue_id=line * 100,
        recipient="a" * 5_000,
        smtp_code=10**30,
        enhanced_code="5.1.1\n",
        timestamp=10**400,
    )
    text, queue_id = str(item.data["text"]), str(item.data["queueId"])
    assert (len(text), len(queue_id)) == (MAX_TEXT, MAX_WORD)
    assert text.isprintable()
    assert queue_id.isprintable()
    assert len(item.recipient) == MAX_WORD
    assert not {"code", "enhanced"} & set(item.data)
    named = flaw({"message_id": "\n" * 5_000, "event_type": "x"})
    assert len(named.message_id) == MAX_WORD
    assert named.message_id.isprintable()


_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
_names = st.sampled_from(
    ["message_id", "event_type", "timestamp", "smtp_code", "recipient", "events"]
)


@given(st.binary() | st.dictionaries(_names, _values).map(json.dumps).map(str.encode))
def test_anything_is_events_or_a_problem(body: bytes) -> None:
    """ATTACKS 24: whatever is posted, the answer is one that was thought of."""
    items = parse_reports(body)
    if isinstance(items, list):
        reports = [one for one in items if isinstance(one, Report)]
        answer = json.loads(render_reports(items, [False] * len(reports)))
        assert answer["rejected"] == len(items)

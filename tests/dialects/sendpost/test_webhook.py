"""Webhooks of this dialect: words, and the payload in each spelling."""

from dataclasses import replace
from uuid import UUID

import msgspec
import pytest

from appliance.core.address import Address, Mailbox
from appliance.core.event import EventType, Scalar
from appliance.core.ids import EventNumber
from appliance.core.webhook import Parcel
from appliance.dialects.sendpost.webhook import SendpostWebhook
from appliance.dialects.webhook import event_id
from tests.dialects.hook_facts import CHROME, MESSAGE, NOW_NS, REPLY, SUPPRESSED, fact

HOOK = SendpostWebhook()
V1 = [
    "eventId",
    "messageId",
    "type",
    "typeName",
    "from",
    "to",
    "subject",
    "groups",
    "submittedAt",
    "timestamp",
    "eventMetadata",
]
LEGACY = [
    "eventID",
    "type",
    "messageID",
    "submittedAt",
    "smtpCode",
    "smtpDescription",
    "eventMetadata",
    "groups",
    "ipID",
    "ipPoolID",
    "domainID",
    "tpspId",
    "messageType",
    "messageSubject",
    "accountID",
    "subAccountID",
    "from",
    "fromName",
    "to",
    "toName",
]


@pytest.mark.parametrize(
    ("type_", "data", "words"),
    [
        (EventType.PROCESSED, {}, {"processed"}),
        (EventType.SENT, {"code": 250}, {"sent"}),
        (EventType.DELIVERED, {"code": 250}, {"delivered"}),
        (EventType.DROPPED, SUPPRESSED, {"dropped"}),
        (EventType.DROPPED, {"reason": "no", "stage": "rcpt"}, {"smtpDropped"}),
        (EventType.HARD_BOUNCED, REPLY, {"hardBounced"}),
        (EventType.SOFT_BOUNCED, REPLY, {"softBounced"}),
        (EventType.OPENED, {"first": True}, {"opened", "uniqueOpen"}),
        (EventType.OPENED, {}, {"opened"}),
        (EventType.CLICKED, {"first": True}, {"clicked", "uniqueClick"}),
        (EventType.CLICKED, {}, {"clicked"}),
        (EventType.COMPLAINED, {}, {"spam"}),
        (EventType.UNSUBSCRIBED, {}, {"unsubscribed"}),
        (EventType.DEFERRED, {}, set()),
        (EventType.IN_DOUBT, {}, set()),
    ],
)
def test_each_event_has_its_flags(
    type_: EventType, data: dict[str, Scalar], words: set[str]
) -> None:
    """Spec 9.2, 9.3: the first open of a mail has two, and is told once."""
    assert HOOK.words_of(fact(type_, data)) == words


@pytest.mark.parametrize(
    ("form", "keys"), [("v1", V1), ("legacy", LEGACY), ("", [*V1, *LEGACY])]
)
def test_each_form_has_its_keys_and_no_others(form: str, keys: list[str]) -> None:
    """Spec 9.4: one spelling, the other, or both."""
    told = msgspec.json.decode(HOOK.render(fact(EventType.HARD_BOUNCED, REPLY), form))
    assert told.keys() == {"event", "emailMessage"}
    assert told["event"].keys() == set(keys)
    assert told["emailMessage"]["messageID"] == str(MESSAGE)
    assert isinstance(told["emailMessage"]["to"], list) is (form == "legacy")


def test_a_click_says_where_and_who() -> None:
    """Spec 9.4; what the visitor sent is told as it came."""
    data: dict[str, Scalar] = {"url": "https://x.example/", "ip": "192.0.2.1"}
    click = fact(EventType.CLICKED, data | CHROME)
    event = msgspec.json.decode(HOOK.render(click, "v1"))["event"]
    assert event["eventMetadata"] == {
        "rawUserAgent": "Mozilla",
        "trackedIp": "192.0.2.1",
        "clickedUrl": "https://x.example/",
        "userAgent": {"family": "Chrome", "major": "126", "minor": "0", "patch": ""},
        "os": {
            "family": "Windows",
            "major": "10",
            "minor": "",
            "patch": "",
            "patchMinor": "",
        },
        "device": {"family": ""},
    }
    assert event["type"] == 66
    assert event["typeName"] == "clicked"
    assert event["timestamp"] == NOW_NS
    assert event["submittedAt"] == NOW_NS - 5_000_000_000


@pytest.mark.parametrize(
    ("form", "keys"),
    [
        ("v1", {"family", "major", "minor", "patch"}),
        ("legacy", {"Family", "Major", "Minor", "Patch"}),
    ],
)
def test_a_visitors_program_is_told_in_each_spelling(form: str, keys: set[str]) -> None:
    """Spec 9.4: read out of the user agent; by default under both."""
    opened = fact(EventType.OPENED, CHROME)
    told = msgspec.json.decode(HOOK.render(opened, form))["event"]["eventMetadata"]
    assert told["userAgent"].keys() == keys
    both = msgspec.json.decode(HOOK.render(opened, ""))["event"]["eventMetadata"]
    assert (both["verdict"], "verdict" in told) == ("human", False)
    assert both["userAgent"].keys() > keys
    assert both["userAgent"]["family"] == both["userAgent"]["Family"] == "Chrome"


def test_what_the_sender_gave_comes_back_with_each_event() -> None:
    """Spec 5.1 and 9.4: own headers, values, names; the class of the mailbox's host."""
    told = msgspec.json.decode(HOOK.render(fact(EventType.DELIVERED), ""))
    mail = told["emailMessage"]
    assert mail["headers"]["X-Listmonk-Campaign"] == "c-1"
    assert mail["customFields"] == {"plan": "gold"}
    assert mail["from"] == {"email": "hello@yourapp.com", "name": "Hello"}
    assert mail["replyTo"] == {"email": "help@yourapp.com", "name": "Help"}
    assert told["event"]["fromName"] == "Hello"
    assert told["event"]["messageType"] == mail["emailType"] == "googleworkspace"


def test_a_cc_recipient_has_its_name_too() -> None:
    """Spec 9.4: `toName` is that of whoever the event is about."""
    one = fact(EventType.DELIVERED)
    other = (Mailbox(Address("other", "example.com"), "Other"),)
    for mail in (one.mail, replace(one.mail, to=other, cc=one.mail.to)):
        told = msgspec.json.decode(HOOK.render(replace(one, mail=mail), ""))
        assert told["event"]["toName"] == "A. User"


def test_an_event_has_one_id_and_another_event_another() -> None:
    """Receivers tell by it what came twice."""
    one = event_id(fact(EventType.OPENED).event)
    assert one == event_id(fact(EventType.OPENED).event)
    assert one != event_id(fact(EventType.OPENED, number=4712).event)
    assert one.version == 7


def test_the_signature_is_in_a_header_if_there_is_a_secret() -> None:
    """An HMAC over time and body."""
    parcel = Parcel("k", (EventNumber(1),), "sent", b"{}")
    request = HOOK.request(parcel, ["whsec_a"], 1_700_000_000, 1, UUID(int=1))
    assert dict(request.headers)["X-SendPost-Signature"].startswith("t=1700000000,v1=")
    assert len(HOOK.request(parcel, [], 1, 1, UUID(int=1)).headers) == 1

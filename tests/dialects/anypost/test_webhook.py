"""Webhooks of this dialect: words, batches, signature."""

from dataclasses import replace
from uuid import UUID

import msgspec
import pytest

from appliance.core.event import EventType, Scalar
from appliance.core.ids import EventNumber
from appliance.core.webhook import Parcel
from appliance.dialects.anypost.webhook import AnypostWebhook
from appliance.dialects.webhook import signature
from tests.dialects.hook_facts import DELIVERY, MESSAGE, REPLY, SUPPRESSED, fact

HOOK = AnypostWebhook()
MEMBERS = {
    *("email_id", "message_id", "from", "from_domain", "recipient", "subject"),
    *("campaign", "topic", "template_id", "tags", "ip_pool", "smtp_code"),
    *("bounce_type", "bounce_classification", "attempt", "tracking"),
}


def test_the_vendors_vector() -> None:
    """Spec 14.3: accepted by both of the vendor's clients."""
    body = b'{"batch_id":"b_1","timestamp":1700000000,"events":[]}'
    mark = "c03874fb3d1f75bd4da7998bb0c39bdabcc0daf4db4815db7aa3e3759e4c2486"
    assert (
        signature(["whsec_testsecret"], 1700000000, body) == f"t=1700000000,v1={mark}"
    )


@pytest.mark.parametrize(
    ("type_", "data", "word"),
    [
        (EventType.PROCESSED, {}, "email.sent"),
        (EventType.SENT, {}, ""),
        (EventType.DELIVERED, {}, ""),
        (EventType.HARD_BOUNCED, REPLY, "email.bounced"),
        (EventType.SOFT_BOUNCED, {}, "email.bounced"),
        (EventType.DROPPED, {"reason": "gave up"}, "email.bounced"),
        (EventType.DROPPED, SUPPRESSED, "email.suppressed"),
        (EventType.COMPLAINED, {}, "email.complained"),
        (EventType.UNSUBSCRIBED, {}, "email.unsubscribed"),
        (EventType.OPENED, {}, "email.opened"),
        (EventType.CLICKED, {"url": "https://x.example/"}, "email.clicked"),
        (EventType.IN_DOUBT, {}, ""),
        (EventType.PROVIDER_DOWN, {}, ""),
    ],
)
def test_each_event_has_its_word(
    type_: EventType, data: dict[str, Scalar], word: str
) -> None:
    """Spec 13; every member is always there, null where it says nothing."""
    one = fact(type_, data)
    assert HOOK.title(one) == word
    assert HOOK.words_of(one) == (frozenset({word}) if word else frozenset())
    if word:
        told = msgspec.json.decode(HOOK.render(one, ""))
        assert told["data"].keys() >= MEMBERS
        assert told["data"]["email_id"] == f"email_{DELIVERY}"
        assert told["data"]["message_id"] == f"{MESSAGE}@yourapp.com"
        assert told["occurred_at"] == "2026-04-30T12:00:05.123456Z"


@pytest.mark.parametrize("type_", [EventType.SENT, EventType.DELIVERED])
def test_delivered_is_whichever_of_the_two_counts(type_: EventType) -> None:
    """Never both: the store says which."""
    assert HOOK.title(fact(type_, arrival=True)) == "email.delivered"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("", "hello@yourapp.com"),
        ("Hello", "Hello <hello@yourapp.com>"),
        ('A. "B" \\', '"A. \\"B\\" \\\\" <hello@yourapp.com>'),
    ],
)
def test_the_author_is_told_as_a_header_shows_him(name: str, shown: str) -> None:
    """Spec 18, U22."""
    one = fact(EventType.PROCESSED)
    one = replace(one, mail=replace(one.mail, sender_name=name))
    assert msgspec.json.decode(HOOK.render(one, ""))["data"]["from"] == shown


def test_mail_that_came_with_a_message_id_is_told_by_it() -> None:
    """Spec 13; unless it has been forgotten."""
    one = fact(EventType.PROCESSED)
    for known, told in (("1@shop.example", "1@shop.example"), ("", None)):
        raw = replace(one, mail=replace(one.mail, to=(), message_id=known))
        data = msgspec.json.decode(HOOK.render(raw, ""))["data"]
        assert data["message_id"] == told


def test_a_bounce_is_told_flat_and_nested() -> None:
    """Spec 14.4: the vendor's own programs read both."""
    data = msgspec.json.decode(HOOK.render(fact(EventType.HARD_BOUNCED, REPLY), ""))[
        "data"
    ]
    assert data["bounce_type"] == data["bounce"]["type"] == "permanent"
    assert data["bounce_classification"] == "InvalidRecipient"
    assert data["smtp_code"] == 550
    assert data["bounce"]["message"] == "550 5.1.1 user unknown"


@pytest.mark.parametrize("type_", [EventType.OPENED, EventType.CLICKED])
@pytest.mark.parametrize("verdict", ["scanner", "prefetch"])
def test_what_no_person_did_is_not_told(type_: EventType, verdict: str) -> None:
    """Spec 11.1: machines never become an event."""
    hit = fact(type_, {"verdict": verdict})
    assert HOOK.title(hit) == ""
    assert not HOOK.words_of(hit)


@pytest.mark.parametrize(
    ("family", "source"),
    [("GoogleImageProxy", "google"), ("YahooMailProxy", "yahoo"), ("", "other")],
)
def test_an_open_by_a_mail_services_proxy_says_so(family: str, source: str) -> None:
    """Spec 13: whose proxy it is; null for a person's own program."""
    data: dict[str, Scalar] = {"verdict": "proxy", "agentFamily": family}
    told = msgspec.json.decode(HOOK.render(fact(EventType.OPENED, data), ""))["data"]
    assert told["tracking"] == {"bot": {"source": source, "kind": "proxy"}}
    person = fact(EventType.OPENED, {"verdict": "human"})
    assert msgspec.json.decode(HOOK.render(person, ""))["data"]["tracking"] is None


@pytest.mark.parametrize(
    ("type_", "via", "told"),
    [
        (EventType.DELIVERED, "agent", True),
        (EventType.HARD_BOUNCED, "agent", True),
        (EventType.HARD_BOUNCED, "dsn", False),
        (EventType.COMPLAINED, "complaint", False),
    ],
)
def test_the_senders_x_headers_come_back(
    type_: EventType, via: str, *, told: bool
) -> None:
    """Spec 14.4: as a map with names of its own; not of what came back by mail."""
    data = msgspec.json.decode(HOOK.render(fact(type_, {"via": via}), ""))["data"]
    wanted = {"x_listmonk_campaign": "c-1"} if told else None
    assert data.get("headers") == wanted


def test_a_suppressed_copy_says_by_what_entry() -> None:
    """Spec 14.4; the reason for people is not read, and an old event says no more."""
    scoped: dict[str, Scalar] = {"suppressed": "unsubscribe", "suppressedTopic": "news"}
    for data, reason, topic in (
        (SUPPRESSED, "permanent_bounce", "*"),
        (scoped, "unsubscribed", "news"),
    ):
        told = msgspec.json.decode(HOOK.render(fact(EventType.DROPPED, data), ""))
        assert told["data"]["suppression"]["reason"] == reason
        assert told["data"]["suppression"]["topic"] == topic
    old = fact(EventType.DROPPED, {"reason": SUPPRESSED["reason"]})
    assert HOOK.title(old) == "email.bounced"


def test_a_batch_has_a_fresh_time_and_a_fixed_rest() -> None:
    """Both secrets sign while one is being replaced."""
    packed = HOOK.pack("ab" * 32, [b'{"id":"evt_1"}', b'{"id":"evt_2"}'])
    parcel = Parcel("ab" * 32, (EventNumber(1), EventNumber(2)), "", packed)
    request = HOOK.request(
        parcel, ["whsec_new", "whsec_old"], 1_730_000_000, 3, UUID(int=1)
    )
    told = msgspec.json.decode(request.body)
    assert told == {
        "timestamp": 1_730_000_000,
        "batch_id": "ab" * 32,
        "events": [{"id": "evt_1"}, {"id": "evt_2"}],
    }
    headers = dict(request.headers)
    assert headers["Anypost-Signature"].count("v1=") == 2
    assert headers["Anypost-Signature"].startswith("t=1730000000,v1=")

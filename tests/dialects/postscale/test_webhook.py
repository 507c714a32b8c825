"""Webhooks of this dialect: words, body, headers, signature."""

from uuid import UUID

import msgspec
import pytest

from appliance.core.event import EventType, Scalar
from appliance.core.ids import EventNumber
from appliance.core.webhook import Parcel
from appliance.dialects.postscale.webhook import PostscaleWebhook
from appliance.dialects.webhook import signature
from tests.dialects.hook_facts import MESSAGE, REPLY, SUPPRESSED, fact

HOOK = PostscaleWebhook()


def test_the_vendors_vector() -> None:
    """Spec 8.3: made with the vendor's own client."""
    mark = "eea9e83ebf373788de7a02e4fec27f11a2af63ff986d8a5d5acfb86929b3c63d"
    made = signature(["whsec_test"], 1700000000, b'{"event":"email.delivered"}')
    assert made == f"t=1700000000,v1={mark}"


def test_a_bounce_is_told_flat_and_in_an_envelope() -> None:
    """Spec 8.4: the same facts twice."""
    told = msgspec.json.decode(HOOK.render(fact(EventType.HARD_BOUNCED, REPLY), ""))
    assert told["type"] == told["event"] == "email.bounced"
    assert told["email_id"] == told["data"]["email_id"] == str(MESSAGE)
    assert told["bounce_type"] == "hard"
    assert told["bounce_code"] == "550"
    assert told["smtp_response"] == "550 5.1.1 user unknown"
    assert told["metadata"] == {"order-id": "ord_456"}
    assert told["id"].startswith("evt_")
    assert told["created_at"] == told["bounced_at"] == "2026-04-30T12:00:05.123Z"


@pytest.mark.parametrize(
    ("type_", "word"),
    [
        (EventType.PROCESSED, "email.sent"),
        (EventType.SENT, ""),
        (EventType.SOFT_BOUNCED, "email.bounced"),
        (EventType.COMPLAINED, "email.complained"),
        (EventType.OPENED, "email.opened"),
        (EventType.CLICKED, "email.clicked"),
        (EventType.UNSUBSCRIBED, "email.unsubscribed"),
        (EventType.WEBHOOK_DISABLED, ""),
    ],
)
def test_each_event_has_its_word(type_: EventType, word: str) -> None:
    """Spec 8.1."""
    assert HOOK.title(fact(type_)) == word
    assert HOOK.title(fact(EventType.DROPPED, SUPPRESSED)) == ""
    assert HOOK.title(fact(EventType.SENT, arrival=True)) == "email.delivered"


@pytest.mark.parametrize(
    ("type_", "data", "kind", "source"),
    [
        (EventType.HARD_BOUNCED, {"via": "dsn"}, "hard", "dsn"),
        (EventType.SOFT_BOUNCED, {"via": "agent"}, "soft", "smtp"),
        (EventType.DROPPED, REPLY, "hard", "smtp"),
        (EventType.DROPPED, {"code": 450, "text": "later"}, "soft", "smtp"),
        (
            EventType.DROPPED,
            {"code": 550, "enhanced": "5.7.1", "text": "blocked"},
            "soft",
            "smtp",
        ),
        (EventType.DROPPED, {"reason": "timeout", "stage": "connect"}, "soft", "smtp"),
    ],
)
def test_only_a_bad_address_is_a_hard_bounce(
    type_: EventType, data: dict[str, Scalar], kind: str, source: str
) -> None:
    """Spec 8.4, 10: who reads "hard" forgets the address; and where it was learnt."""
    told = msgspec.json.decode(HOOK.render(fact(type_, data), ""))
    assert told["bounce_type"] == kind
    assert told["source"] == source


def test_what_is_tried_again_says_when() -> None:
    """Spec 8.4."""
    when = "2026-04-30T13:00:00.000Z"
    data: dict[str, Scalar] = {"code": 450, "text": "later", "attempt": 1}
    one = fact(EventType.DEFERRED, {**data, "retryAt": when})
    told = msgspec.json.decode(HOOK.render(one, ""))
    assert (told["type"], told["smtp_code"]) == ("email.deferred", 450)
    assert (told["attempt"], told["next_attempt_at"]) == (1, when)


def test_an_open_says_what_made_it() -> None:
    """Machines open mail too, and the vendor has no word for that."""
    data: dict[str, Scalar] = {"verdict": "prefetch", "verdictReason": "agent: x"}
    told = msgspec.json.decode(HOOK.render(fact(EventType.OPENED, data), ""))
    assert told["verdict"] == told["data"]["verdict"] == "prefetch"


def test_the_headers_name_event_try_and_delivery() -> None:
    """Spec 8.2; an endpoint without a secret gets no signature."""
    parcel = Parcel("k", (EventNumber(1),), "email.sent", b"{}")
    request = HOOK.request(parcel, ["whsec_a"], 1_700_000_000, 2, UUID(int=7))
    headers = dict(request.headers)
    assert headers["X-Postscale-Event"] == "email.sent"
    assert headers["X-Postscale-Delivery-ID"] == str(UUID(int=7))
    assert headers["X-Postscale-Attempt"] == "2"
    assert headers["X-Postscale-Signature"].startswith("t=1700000000,v1=")
    unsigned = HOOK.request(parcel, [], 1_700_000_000, 2, UUID(int=7))
    assert "X-Postscale-Signature" not in dict(unsigned.headers)

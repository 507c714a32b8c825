import json
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from appliance.core.ids import AccountId, ProviderId
from appliance.core.provider import AuthMethod, Provider, Security
from appliance.core.recipient_class import RecipientClass
from appliance.core.throttle import Limit, Limits
from appliance.dialects.sendpost.account_answer import (
    BUSY,
    DEFAULT_POOL,
    own_pool_exists,
    pool_deleted,
    pool_exists,
    pool_in_use,
    provider_deleted,
    provider_exists,
    provider_in_use,
    render,
)
from appliance.dialects.sendpost.answer import render_problem
from appliance.dialects.sendpost.class_settings import COLUMNS
from appliance.dialects.sendpost.provider import ProviderWish, parse_provider
from appliance.dialects.sendpost.provider_answer import (
    AGENT_IS_STALE_NS,
    legacy_provider,
    provider_facts,
    render_test,
)
from appliance.smtp.outcome import FailureClass, ProbeStep, Stage

GOLDEN = Path(__file__).parent / "golden"
NOW_NS = 1_700_000_000_000_000_000
ONE = Provider(
    name="post",
    host="mx.example",
    port=465,
    security=Security.TLS,
    username="me",
    password="hunter2",
    auth_method=AuthMethod.PLAIN,
    limits=Limits(
        Limit(1000),
        {
            RecipientClass.GMAIL: Limit(100, None, 10),
            RecipientClass.YAHOO: Limit(at_once=5),
        },
    ),
    id=ProviderId(101),
    uuid=UUID(int=1),
    event_key_hint="x9Qz",
    created_ns=NOW_NS,
    agent_last_seen_ns=NOW_NS,
)
GOOD = [
    ProbeStep(Stage.CONNECT, 220, "mx.example ESMTP", 3),
    ProbeStep(Stage.EHLO, 250, "mx.example", 1),
    ProbeStep(Stage.TLS, 220, "2.0.0 go ahead", 9),
    ProbeStep(Stage.AUTH, 235, "2.7.0 ok", 2),
    ProbeStep(Stage.MAIL, 250, "2.1.0 ok", 1),
    ProbeStep(Stage.RCPT, 250, "2.1.5 ok", 1),
    ProbeStep(Stage.DATA, 354, "go on", 1),
    ProbeStep(Stage.DOT, 250, "2.0.0 queued", 5),
    ProbeStep(Stage.QUIT, 221, "2.0.0 bye", 1),
]


def golden(name: str) -> bytes:
    """The bytes that are promised."""
    return (GOLDEN / name).read_bytes().rstrip(b"\n")


def test_a_provider_is_shown_byte_for_byte() -> None:
    """All 27 classes have their column; an unset one is null."""
    facts = provider_facts(ONE, AccountId(1), NOW_NS)
    assert render(facts).body == golden("provider.json")
    assert set(COLUMNS.values()) <= set(facts)
    assert len(COLUMNS) == 27


def test_the_key_is_in_the_answer_that_makes_it_alone() -> None:
    """ATTACKS 27: afterwards its end is shown, and the password never."""
    shown = provider_facts(ONE, AccountId(1), NOW_NS, "KEY")
    assert shown["eventIngestionApiKey"] == "KEY"
    later = provider_facts(ONE, AccountId(1), NOW_NS)
    assert "eventIngestionApiKey" not in later
    assert later["eventIngestionApiKeyHint"] == "x9Qz"
    assert "hunter2" not in repr([shown, later, legacy_provider(ONE)])


@pytest.mark.parametrize(
    ("ago_ns", "status"),
    [(0, "ok"), (AGENT_IS_STALE_NS, "ok"), (AGENT_IS_STALE_NS + 1, "stale")],
)
def test_an_agent_that_is_silent_is_stale(ago_ns: int, status: str) -> None:
    """One that has never reported is told apart; a clock set back is no silence."""
    facts = provider_facts(ONE, AccountId(1), NOW_NS + ago_ns)
    assert facts["agentStatus"] == status
    assert facts["agentLastSeenAt"] == facts["agent_last_seen_at"] == NOW_NS
    never = replace(ONE, agent_last_seen_ns=0)
    assert provider_facts(never, AccountId(1), NOW_NS)["agentStatus"] == "never"
    assert provider_facts(ONE, AccountId(1), 0)["agentStatus"] == "ok"


def test_what_is_shown_can_be_sent_back() -> None:
    """A whole answer, as a change, changes nothing."""
    for facts in (provider_facts(ONE, AccountId(1), NOW_NS), legacy_provider(ONE)):
        read = parse_provider(json.dumps(facts).encode())
        assert isinstance(read, ProviderWish), read
        assert read.change(ONE) == ONE


def test_the_pools_own_form_has_the_published_keys_alone() -> None:
    """Appendix B: one client refuses anything else; the secret is never told."""
    assert render(legacy_provider(ONE)).body == golden("provider-legacy.json")


def test_a_good_test_tells_every_step() -> None:
    """By the documentation's names, each with code, words and time."""
    answer = render_test(GOOD, Security.STARTTLS)
    assert (answer.status, answer.body) == (200, golden("test-good.json"))


def test_a_failed_test_tells_class_and_step() -> None:
    """422 in the common form, and the steps that were taken beside it."""
    failed = ProbeStep(Stage.RCPT, 550, "5.1.1 no", 1, FailureClass.RCPT_FAILED)
    answer = render_test([*GOOD[:5], failed], Security.STARTTLS)
    assert (answer.status, answer.body) == (422, golden("test-failed.json"))


@pytest.mark.parametrize("failure", FailureClass)
def test_each_class_has_the_documented_words(failure: FailureClass) -> None:
    """Spec 7.2: the message is the class, the parameter is the step."""
    step = ProbeStep(Stage.TLS, None, "certificate: expired", 1, failure)
    body = json.loads(render_test([step], Security.TLS).body)
    assert body["error"]["message"] in {
        "Connection refused",
        "TLS handshake failed",
        "Auth rejected",
        "MAIL FROM failure",
        "RCPT TO failure",
        "DATA failure",
        "Timeout",
    }
    assert body["error"]["param"] == body["steps"][0]["step"] == "TLS"
    assert body["error"]["details"][0]["message"] == "certificate: expired"
    assert body["success"] is False


def test_what_stands_in_the_way_has_its_status() -> None:
    """403 for what exists or is in use, 429 for too much at a time."""
    for problem in (
        provider_exists("a"),
        own_pool_exists("a"),
        pool_exists("a"),
        provider_in_use("a", ["main", "other"]),
        pool_in_use("a", "3 messages wait in it"),
        DEFAULT_POOL,
    ):
        answer = render_problem(problem)
        assert answer.status == 403
        assert json.loads(answer.body)["error"]["type"] == "conflict_error"
    busy = render_problem(BUSY)
    assert busy.status == 429
    assert "Retry-After" in dict(busy.headers)


def test_what_is_gone_is_named() -> None:
    """Id and message, as the vendor's own deletions have them."""
    assert json.loads(provider_deleted(7, "post").body) == {
        "id": 7,
        "message": "TPSP (post) has been deleted successfully.",
    }
    assert json.loads(pool_deleted(8, "main").body)["id"] == 8

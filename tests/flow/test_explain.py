"""What is told of a delivery in each state."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from appliance.core.address import Address
from appliance.core.breaker import Health, Restraint
from appliance.core.delivery import State
from appliance.core.engagement import BURST
from appliance.core.event import EventType, Scalar
from appliance.core.message import Request
from appliance.core.queue import EVERYTHING
from appliance.core.recipient_class import RecipientClass
from appliance.core.report import Report
from appliance.core.suppression import Scope, SuppressionReason, WholeDomain
from appliance.core.throttle import Limit, Limits
from appliance.flow.explain import story_facts
from appliance.flow.facts import waiting_facts
from appliance.flow.queue import QueueDesk
from appliance.store.claim import claim
from appliance.store.database import Store
from appliance.store.deliveries import settle
from appliance.store.engagement import Engagement, record_engagement
from appliance.store.explain import MAX_COPIES, explain
from appliance.store.health import save_health
from appliance.store.limits import save_limits
from appliance.store.messages import accept
from appliance.store.reports import Batch, record_reports
from appliance.store.retention import prune
from appliance.store.suppressions import add_suppression
from appliance.store.transaction import Tx
from tests.fakes.store import CONTENT, NOW_NS, Seeded, open_temp_store, seed, sent

MINUTE = 60_000_000_000
NOW_TEXT = "2023-11-14T22:13:20.000Z"
LATER_TEXT = "2023-11-14T22:14:20.000Z"


async def accepted(store: Store, seeded: Seeded, *to: str) -> UUID:
    """A message that has been taken in."""
    message = seeded.message(*to)
    await store.write_each(accept, Request((message,)))
    return message.deliveries[0].uuid


async def facts_of(store: Store, message: UUID, now_ns: int = NOW_NS) -> dict[str, Any]:
    """Its story as it is told."""
    story = await store.read(explain, message, now_ns)
    assert story is not None
    return story_facts(story, now_ns)


async def next_of(store: Store, message: UUID, now_ns: int = NOW_NS) -> dict[str, Any]:
    """What happens next to its first copy."""
    facts = await facts_of(store, message, now_ns)
    step: dict[str, Any] = facts["deliveries"][0]["next"]
    return step


def become(tx: Tx, state: State, due_ns: int | None = None) -> None:
    """Put all deliveries into a state."""
    tx.db.execute("UPDATE delivery SET state = ?, due_ns = ?", (int(state), due_ns))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An open store."""
    async with open_temp_store(tmp_path) as one:
        yield one


@pytest.fixture
async def seeded(store: Store) -> Seeded:
    """What is in it."""
    return await seed(store)


async def test_mail_that_waits_says_when_and_for_what(
    store: Store, seeded: Seeded
) -> None:
    """Its own time first; an upstream that is down puts it off."""
    message = await accepted(store, seeded)
    assert await next_of(store, message) == {
        "what": "it is tried",
        "at": NOW_TEXT,
        "waitsFor": "",
    }
    health = Health(3, NOW_NS, NOW_NS + MINUTE, "no route to host", NOW_NS)
    provider = seeded.provider.id
    await store.write_each(save_health, (provider, health))
    down = {provider: Restraint(0, "provider upstream is down")}
    assert await store.write(claim, NOW_NS, 9, 1 << 20, down=down) == []
    assert await next_of(store, message) == {
        "what": "it is tried",
        "at": LATER_TEXT,
        "waitsFor": "provider upstream is down: no route to host",
    }
    on_trial = await next_of(store, message, NOW_NS + MINUTE)
    assert on_trial["waitsFor"] == (
        "provider upstream is on trial: no route to host (one mail at a time)"
    )


async def test_a_limit_is_told_with_the_moment_until_which_it_holds(
    store: Store, seeded: Seeded
) -> None:
    """The provider's own touches no row, a class's has mail step aside; both tell."""
    provider = seeded.provider.id
    await store.write(save_limits, provider, Limits(Limit(per_second=1)))
    await accepted(store, seeded)
    second = await accepted(store, seeded)
    await store.write(claim, NOW_NS, 9, 1 << 20)
    assert await next_of(store, second) == {
        "what": "it is tried",
        "at": NOW_TEXT.replace("20.000", "21.000"),
        "waitsFor": "limit 1/s at upstream",
    }
    gmail = {RecipientClass.GMAIL: Limit(per_hour=60, per_second=1)}
    await store.write(save_limits, provider, Limits(classes=gmail))
    await accepted(store, seeded, "u@gmail.com")
    other = await accepted(store, seeded, "u@gmail.com")
    await store.write(claim, NOW_NS, 9, 1 << 20)
    waits_for = "limit 60/h, 1/s of gmail at upstream"
    assert (await next_of(store, other))["waitsFor"] == waits_for
    facts = await facts_of(store, other)
    assert facts["deliveries"][0]["draw"] == "share 100% of pool main"
    (one,) = await QueueDesk(store, lambda: NOW_NS).look(EVERYTHING, 9, after=3)
    told = waiting_facts(one)
    assert told["waitsFor"] == waits_for
    assert told["waitsUntil"] == NOW_TEXT.replace("20.000", "21.000")
    assert told["draw"] == "share 100% of pool main"


@pytest.mark.parametrize(
    ("state", "due_ns", "words"),
    [
        (State.HELD, None, "until the operator releases or drops it"),
        (State.IN_DOUBT, NOW_NS, "relay.in_doubt decides"),
        (State.IN_FLIGHT, None, "on its way"),
    ],
)
async def test_each_state_says_what_comes_next(
    store: Store, seeded: Seeded, state: State, due_ns: int | None, words: str
) -> None:
    """Nobody has to know the states by heart."""
    message = await accepted(store, seeded)
    await store.write(become, state, due_ns)
    step = await next_of(store, message)
    assert words in step["what"]
    assert step["at"] == (NOW_TEXT if due_ns else None)


async def test_the_suppression_list_is_looked_up(store: Store, seeded: Seeded) -> None:
    """What it says now of that address, whatever its spelling."""
    message = await accepted(store, seeded, "Bob@rcpt.example")
    await store.write(
        add_suppression,
        seeded.sub_account.id,
        Address("bob", "rcpt.example"),
        reason=SuppressionReason.HARD_BOUNCE,
        now_ns=NOW_NS,
        description="550 unknown",
    )
    (one,) = (await facts_of(store, message))["deliveries"]
    assert one["suppression"] == {
        "reason": "hard bounce",
        "at": NOW_TEXT,
        "description": "550 unknown",
    }


async def test_a_suppressed_domain_is_named(store: Store, seeded: Seeded) -> None:
    """Else nobody would find the entry that holds the address."""
    message = await accepted(store, seeded, "Bob@rcpt.example")
    await store.write(
        add_suppression,
        seeded.sub_account.id,
        WholeDomain("rcpt.example"),
        reason=SuppressionReason.MANUAL,
        now_ns=NOW_NS,
    )
    (one,) = (await facts_of(store, message))["deliveries"]
    assert one["suppression"]["reason"] == "manual, *@rcpt.example"


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        (Scope("news"), "manual, topic news"),
        (Scope("other"), None),
        (Scope("", CONTENT.sender.address.domain), "manual, mail from sender.example"),
        (Scope("", "x.example"), None),
    ],
)
async def test_only_what_is_about_this_mail_is_told(
    store: Store, seeded: Seeded, scope: Scope, said: str | None
) -> None:
    """Of that topic, or from that domain; until it ends."""
    message = seeded.message("Bob@rcpt.example", topic="news")
    await store.write_each(accept, Request((message,)))
    await store.write(
        add_suppression,
        seeded.sub_account.id,
        Address("bob", "rcpt.example"),
        reason=SuppressionReason.MANUAL,
        now_ns=NOW_NS,
        scope=scope,
        expires_ns=NOW_NS + 1,
    )
    for now_ns, then in ((NOW_NS, said), (NOW_NS + 1, None)):
        facts = await facts_of(store, message.deliveries[0].uuid, now_ns)
        told = facts["deliveries"][0]["suppression"]
        assert (told and told["reason"]) == then


async def test_a_message_to_many_is_told_within_a_bound(
    store: Store, seeded: Seeded
) -> None:
    """The rest is counted, and each can be asked for."""
    to = [f"u{number}@rcpt.example" for number in range(MAX_COPIES + 7)]
    facts = await facts_of(store, await accepted(store, seeded, *to))
    assert (len(facts["deliveries"]), facts["more"]) == (MAX_COPIES, 7)


async def test_of_what_was_forgotten_the_events_are_left(
    store: Store, seeded: Seeded
) -> None:
    """They are kept longer than the mail."""
    message = await accepted(store, seeded)
    (copy,) = await store.write(claim, NOW_NS, 1, 1 << 20)
    await store.write(settle, [sent(copy)])
    await store.write(
        prune,
        NOW_NS + MINUTE,
        keep_events_ns=2 * MINUTE,
        keep_messages_ns=0,
        keep_keys_ns=0,
        batch=10,
    )
    facts = await facts_of(store, message)
    assert facts["message"] is None
    assert facts["deliveries"] == []
    assert [one["name"] for one in facts["events"]] == ["processed", "sent"]
    assert await store.read(explain, UUID(int=7), NOW_NS) is None


async def test_what_the_upstream_puts_off_is_told(store: Store, seeded: Seeded) -> None:
    """Users ask: still trying, since when, why."""
    message = await accepted(store, seeded)
    (copy,) = await store.write(claim, NOW_NS, 1, 10**9)
    await store.write_each(settle, sent(copy))
    assert (await facts_of(store, message))["deliveries"][0]["deferred"] is None
    data: dict[str, Scalar] = {"code": 451, "enhanced": "4.2.1", "text": "busy"}
    data["relay"] = "mx.example"
    report = Report(EventType.DEFERRED, message, at_ns=NOW_NS + MINUTE, data=data)
    batch = Batch(seeded.provider.id, (report,), NOW_NS + 2 * MINUTE)
    await store.write_each(record_reports, batch)
    assert (await facts_of(store, message))["deliveries"][0]["deferred"] == {
        "since": LATER_TEXT,
        "last": LATER_TEXT,
        "tries": 1,
        **data,
    }


async def test_the_end_is_told_with_where_it_was_learnt(
    store: Store, seeded: Seeded
) -> None:
    """The last one counts; an older event that does not say by whom says nothing."""
    message = await accepted(store, seeded)
    (copy,) = await store.write(claim, NOW_NS, 1, 10**9)
    await store.write_each(settle, sent(copy))
    ends: list[Any] = [(await facts_of(store, message))["deliveries"][0]["end"]]
    told: list[tuple[EventType, dict[str, Scalar]]] = [
        (EventType.DELIVERED, {}),
        (EventType.SOFT_BOUNCED, {"via": "agent", "reason": "mailbox_full"}),
        (EventType.HARD_BOUNCED, {"via": "dsn", "reason": "user_unknown"}),
        (EventType.COMPLAINED, {"via": "complaint"}),
    ]
    for type_, data in told:
        report = Report(type_, message, data=data)
        batch = Batch(None, (report,), NOW_NS + MINUTE, seeded.sub_account.id)
        assert await store.write_each(record_reports, batch) == [True]
        ends.append((await facts_of(store, message))["deliveries"][0]["end"])
    assert ends[0] is None
    assert [(one["what"], one["reason"], one["learntFrom"]) for one in ends[1:]] == [
        ("delivered", "", ""),
        ("soft_bounced", "mailbox_full", "the upstream's log"),
        ("hard_bounced", "user_unknown", "a bounce at the return path"),
        ("hard_bounced", "user_unknown", "a bounce at the return path"),
    ]
    assert ends[-1]["at"] == LATER_TEXT


async def test_what_its_readers_did_is_counted(store: Store, seeded: Seeded) -> None:
    """In all and by people, however long the list of events is."""
    message = await accepted(store, seeded)
    (plot,) = (await facts_of(store, message))["deliveries"]
    assert plot["engagement"] is None
    hits = [
        Engagement(EventType.OPENED, message, NOW_NS),
        Engagement(EventType.OPENED, message, NOW_NS, said=BURST),
        Engagement(EventType.CLICKED, message, NOW_NS, said=BURST),
    ]
    await store.write(record_engagement, hits)
    (plot,) = (await facts_of(store, message))["deliveries"]
    assert plot["engagement"] == {
        "opens": 2,
        "humanOpens": 1,
        "clicks": 1,
        "humanClicks": 0,
    }

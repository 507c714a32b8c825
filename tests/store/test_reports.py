"""What reports do to deliveries: believed or not, once, and with what follows."""

from collections.abc import Sequence
from uuid import UUID

import trio

from appliance.core.delivery import Settlement, State
from appliance.core.event import Event, EventFilter, EventType, Scalar
from appliance.core.ids import DeliveryId, ProviderId, SubAccountId, uuid7
from appliance.core.message import Request
from appliance.core.pool import Pool, by_shares
from appliance.core.queue import EVERYTHING, Act, Order
from appliance.core.report import ENDS, Report
from appliance.core.suppression import SuppressionReason
from appliance.store.claim import claim
from appliance.store.database import Store
from appliance.store.deferrals import KEPT_NS, get_deferral
from appliance.store.deliveries import settle
from appliance.store.doubt import Dot, note_dots, rescue
from appliance.store.events import list_events
from appliance.store.messages import accept, get_message
from appliance.store.pools import add_pool
from appliance.store.providers import (
    NewProvider,
    add_provider,
    get_provider,
    remove_provider,
)
from appliance.store.queue_moves import change_waiting
from appliance.store.reports import AT_A_TIME, Batch, record_reports
from appliance.store.retention import prune
from appliance.store.suppressions import list_suppressions
from tests.fakes.store import NOW_NS, Seeded, sent

LATER_NS = NOW_NS + 60 * 10**9
D, H, S = EventType.DELIVERED, EventType.HARD_BOUNCED, EventType.SOFT_BOUNCED
PUT_OFF = EventType.DEFERRED


async def sent_to(store: Store, seeded: Seeded, *to: str) -> list[UUID]:
    """The ids of mails that the upstream took, one for each address."""
    messages = tuple(seeded.message(one) for one in to)
    await store.write_each(accept, Request(messages))
    for copy in await store.write(claim, NOW_NS, 10_000, 10**9):
        await store.write_each(settle, sent(copy))
    return [one.deliveries[0].uuid for one in messages]


async def hand_in(
    store: Store, seeded: Seeded, *reports: Report, provider: int | None = None
) -> list[bool]:
    """Which of these are believed, from the upstream unless told else."""
    who = ProviderId(provider or seeded.provider.id)
    return await store.write_each(record_reports, Batch(who, reports, LATER_NS))


async def told(store: Store, types: Sequence[EventType] = tuple(ENDS)) -> list[Event]:
    """The events of these types."""
    wanted = EventFilter(types=frozenset(types))
    return await store.read(list_events, limit=10_000, wanted=wanted)


async def suppressed(store: Store, seeded: Seeded) -> list[str]:
    """The addresses that get no mail any more."""
    found = await store.read(list_suppressions, seeded.sub_account.id, limit=10)
    assert all(one.reason is SuppressionReason.HARD_BOUNCE for one in found)
    return [one.address for one in found]


async def test_what_is_reported_becomes_an_event(store: Store, seeded: Seeded) -> None:
    """With the words of the report, at its own time, about the right mail."""
    (uuid,) = await sent_to(store, seeded, "bob@x.example")
    report = Report(D, uuid, "BOB@X.example", NOW_NS + 5, {"code": 250, "text": "Ok"})
    assert await hand_in(store, seeded, report) == [True]
    (event,) = await told(store)
    assert (event.type, event.at_ns) == (D, NOW_NS + 5)
    assert event.data == {"code": 250, "text": "Ok"}
    assert event.about.delivery == uuid
    assert event.about.provider == "upstream"


async def moved_away(store: Store, seeded: Seeded, *acts: Act) -> UUID:
    """A mail that a crash left in doubt, and another pool has by then."""
    await store.write_each(accept, Request((seeded.message("bob@x.example"),)))
    (copy,) = await store.write(claim, NOW_NS, 10, 10**9)
    await store.write_each(note_dots, Dot(copy.id, NOW_NS))
    await store.write(rescue, NOW_NS, 10**9)
    other = await store.write(add_provider, NewProvider("other", host="other"))
    assert other is not None
    pool = await store.write(add_pool, by_shares("other", [(other.id, 100)]))
    assert isinstance(pool, Pool)
    for act in acts:
        order = Order(act, EVERYTHING, pool.id if act is Act.MOVE else None)
        tally = await store.write(change_waiting, order, [copy.id], LATER_NS)
        assert tally.changed
    return copy.uuid


async def test_what_was_held_and_moved_is_still_proven_to_be_sent(
    store: Store, seeded: Seeded
) -> None:
    """By the provider that may have taken it; else its release sends it again."""
    uuid = await moved_away(store, seeded, Act.HOLD, Act.MOVE)
    report = Report(D, uuid, "bob@x.example", LATER_NS)
    assert await hand_in(store, seeded, report) == [True]
    (status,) = await store.read(get_message, uuid)
    assert (status.state, status.provider) == (State.SENT, "upstream")
    events = await told(store, [EventType.SENT, D])
    assert [one.about.provider for one in events] == ["upstream", "upstream"]


async def test_who_took_it_before_it_was_moved_is_believed(
    store: Store, seeded: Seeded
) -> None:
    """Its bounce suppresses, under its own name; who never had it is not believed."""
    uuid = await moved_away(store, seeded, Act.RETRY, Act.MOVE)
    report = Report(H, uuid, "bob@x.example", LATER_NS, {"text": "no such user"})
    stranger = await store.write(add_provider, NewProvider("x", host="x"))
    assert stranger is not None
    assert await hand_in(store, seeded, report, provider=stranger.id) == [False]
    assert await hand_in(store, seeded, report) == [True]
    (event,) = await told(store)
    assert (event.type, event.about.provider) == (H, "upstream")
    await store.write(lambda tx: tx.db.execute("DELETE FROM pool_share"))
    assert (await store.write(remove_provider, seeded.provider.id)).removed
    late = Report(S, uuid, "bob@x.example", LATER_NS)
    assert await hand_in(store, seeded, late) == [True]  # the key was good a moment ago
    assert await suppressed(store, seeded) == ["bob@x.example"]


async def test_a_hard_bounce_suppresses_its_recipient_at_once(
    store: Store, seeded: Seeded
) -> None:
    """In the same commit; a soft one does not, nor one that names somebody else."""
    bob, eve, joe = await sent_to(
        store, seeded, "Bob@x.example", "e@x.example", "j@x.e"
    )
    bounce = Report(H, bob, data={"text": "550 5.1.1 no such user"})
    reports = (bounce, Report(S, eve), Report(H, joe, "alias@far.example"))
    assert await hand_in(store, seeded, *reports) == [True] * 3
    assert await suppressed(store, seeded) == ["bob@x.example"]
    (entry,) = await store.read(list_suppressions, seeded.sub_account.id, limit=9)
    assert entry.description == "550 5.1.1 no such user"
    assert entry.delivery == bob
    assert (await told(store))[2].data == {"recipient": "alias@far.example"}


async def test_one_terminal_event_whatever_comes_twice(
    store: Store, seeded: Seeded
) -> None:
    """ATTACKS 24: replays in one batch, in one commit and later are accepted."""
    (uuid,) = await sent_to(store, seeded, "bob@x.example")
    reports = [Report(one, uuid) for one in (D, D, S, S, H, H, D)]
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(hand_in, store, seeded, *reports)
    assert await hand_in(store, seeded, *reports) == [True] * len(reports)
    assert [one.type for one in await told(store)] == [D, S, H]
    assert await suppressed(store, seeded) == ["bob@x.example"]


async def test_a_report_is_about_its_own_providers_mail_or_nothing(
    store: Store, seeded: Seeded
) -> None:
    """ATTACKS 24: another's key, an unknown id, a mail that never left."""
    other = await store.write(add_provider, NewProvider("other", host="x.example"))
    assert other is not None
    (uuid,) = await sent_to(store, seeded, "bob@x.example")
    waiting = seeded.message("eve@x.example")
    await store.write_each(accept, Request((waiting,)))
    (claimed,) = await store.write(claim, NOW_NS, 1, 10**9)
    unsent = Report(H, claimed.uuid)
    assert await hand_in(store, seeded, Report(H, uuid), provider=other.id) == [False]
    strangers = (Report(H, uuid7()), unsent, Report(PUT_OFF, claimed.uuid))
    assert await hand_in(store, seeded, *strangers) == [False] * 3
    assert await told(store) == []
    assert await suppressed(store, seeded) == []
    await store.write(note_dots, [Dot(claimed.id, NOW_NS)])
    assert await hand_in(store, seeded, unsent) == [True]  # faster than the answer


async def test_any_report_proves_what_was_in_doubt(
    store: Store, seeded: Seeded
) -> None:
    """It is sent for good before it is delivered, and not sent again."""
    messages = tuple(seeded.message() for _ in range(3))
    await store.write_each(accept, Request(messages))
    copies = await store.write(claim, NOW_NS, 3, 10**9)
    await store.write(note_dots, [Dot(one.id, NOW_NS) for one in copies])
    await store.write(rescue, NOW_NS, 10**9)
    first, second, third = (one.uuid for one in copies)
    reports = (Report(D, first), Report(PUT_OFF, second), Report(D, first))
    assert await hand_in(store, seeded, *reports) == [True] * 3
    states = [await store.read(get_message, one) for one in (first, second, third)]
    assert [one.state for (one,) in states] == [State.SENT, State.SENT, State.IN_DOUBT]
    events = await told(store, [EventType.SENT, D])
    assert [(one.type, one.about.delivery) for one in events] == [
        (EventType.SENT, first),
        (EventType.SENT, second),
        (D, first),
    ]
    assert events[0].data["reason"] == "It was reported what became of it"


async def test_what_is_held_is_sent_once_it_is_reported(
    store: Store, seeded: Seeded
) -> None:
    """It went, so the operator cannot send it again; what never went stays held."""
    messages = tuple(seeded.message() for _ in range(3))
    await store.write_each(accept, Request(messages))
    went, put_off, never = await store.write(claim, NOW_NS, 3, 10**9)
    for one in (went, put_off, never):
        attempts = 0 if one is never else 1
        held = Settlement(one.id, State.HELD, attempts, text="In doubt")
        assert await store.write(settle, [held]) == [True]
    reports = (
        Report(H, went.uuid),
        Report(PUT_OFF, put_off.uuid),
        Report(D, never.uuid),
    )
    assert await hand_in(store, seeded, *reports) == [True, True, False]
    states = [
        (await store.read(get_message, one.deliveries[0].uuid))[0].state
        for one in messages
    ]
    assert states == [State.SENT, State.SENT, State.HELD]
    kinds = [one.type for one in await told(store, [EventType.SENT, H, D])]
    assert sorted(kinds) == sorted([EventType.SENT, EventType.SENT, H])
    assert await hand_in(store, seeded, *reports) == [True, True, False]
    assert len(await told(store, [EventType.SENT, H, D])) == 3


async def test_what_comes_after_retention_is_unknown_and_harmless(
    store: Store, seeded: Seeded
) -> None:
    """ATTACKS 24: a replay of forgotten mail records nothing and suppresses nobody."""
    (uuid,) = await sent_to(store, seeded, "bob@x.example")
    report = Report(D, uuid)
    assert await hand_in(store, seeded, report) == [True]
    later = {"keep_events_ns": 0, "keep_messages_ns": 0, "keep_keys_ns": 0}
    await store.write(prune, 2 * LATER_NS, **later, batch=10)
    assert await store.read(get_message, uuid) == []
    assert await hand_in(store, seeded, report, Report(H, uuid)) == [False, False]
    assert await told(store, list(EventType)) == []
    assert await suppressed(store, seeded) == []


async def test_a_hard_bounce_suppresses_for_as_long_as_the_operator_says(
    store: Store, seeded: Seeded
) -> None:
    """From its own moment on; without a word, for ever."""
    uuids = await sent_to(store, seeded, "a@x.example", "b@x.example")
    for uuid, lasts_ns in zip(uuids, (None, 90), strict=True):
        reports = (Report(H, uuid, at_ns=NOW_NS + 5),)
        batch = Batch(seeded.provider.id, reports, LATER_NS, hard_lasts_ns=lasts_ns)
        await store.write_each(record_reports, batch)
    found = await store.read(list_suppressions, seeded.sub_account.id, limit=9)
    assert [one.expires_ns for one in found] == [None, NOW_NS + 95]


async def test_what_is_put_off_is_kept_apart_and_forgotten(
    store: Store, seeded: Seeded
) -> None:
    """No event; since when, how often and why; a replay is no further try."""
    (uuid,) = await sent_to(store, seeded, "bob@x.example")
    for at_ns, text in ((1, "busy"), (5, "full"), (5, "full"), (3, "late")):
        data: dict[str, Scalar] = {"code": 451, "enhanced": "4.2.1", "relay": "mx"}
        data["text"] = text
        report = Report(PUT_OFF, uuid, at_ns=NOW_NS + at_ns, data=data)
        assert await hand_in(store, seeded, report) == [True]
    assert await told(store, [PUT_OFF, *ENDS]) == []
    kept = await store.read(get_deferral, DeliveryId(1))
    assert kept is not None
    assert (kept.first_ns, kept.last_ns, kept.tries) == (NOW_NS + 1, NOW_NS + 5, 2)
    assert (kept.code, kept.enhanced, kept.text, kept.relay) == (
        *(451, "4.2.1"),
        *("full", "mx"),
    )
    for now_ns, there in ((NOW_NS + KEPT_NS + 5, True), (NOW_NS + KEPT_NS + 6, False)):
        await store.write(
            prune,
            now_ns,
            keep_events_ns=2 * KEPT_NS,
            keep_messages_ns=2 * KEPT_NS,
            keep_keys_ns=1,
            batch=10,
        )
        kept = await store.read(get_deferral, DeliveryId(1))
        assert (kept is not None) == there


async def test_every_call_shows_that_the_agent_lives(
    store: Store, seeded: Seeded
) -> None:
    """Also one without a report, and without a change of the configuration."""
    before = (await store.pulse()).configuration
    assert await hand_in(store, seeded) == []
    provider = await store.read(get_provider, seeded.provider.id)
    assert provider is not None
    assert provider.agent_last_seen_ns == LATER_NS
    assert (await store.pulse()).configuration == before


async def test_more_than_one_question_can_hold(store: Store, seeded: Seeded) -> None:
    """Each delivery is found, whatever its place."""
    uuids = await sent_to(store, seeded, *[f"u{n}@x.example" for n in range(3)])
    unknown = [Report(D, uuid7()) for _ in range(AT_A_TIME)]
    reports = [Report(D, uuids[0]), *unknown, *(Report(D, one) for one in uuids[1:])]
    believed = await hand_in(store, seeded, *reports)
    assert [one for one, good in enumerate(believed) if good] == [
        *(0, AT_A_TIME + 1, AT_A_TIME + 2)
    ]
    assert len(await told(store)) == 3


async def test_a_return_path_speaks_for_its_own_mail_only(
    store: Store, seeded: Seeded
) -> None:
    """ATTACKS 24: whichever provider took it; another tenant's is none of it."""
    (uuid,) = await sent_to(store, seeded, "bob@x.example")
    ours, another = seeded.sub_account.id, SubAccountId(seeded.sub_account.id + 1)
    for owner, believed in ((another, False), (ours, True), (ours, True)):
        batch = Batch(None, (Report(H, uuid),), LATER_NS, owner)
        assert await store.write_each(record_reports, batch) == [believed]
    assert len(await told(store)) == 1
    assert await suppressed(store, seeded) == ["bob@x.example"]
    provider = await store.read(get_provider, seeded.provider.id)
    assert provider is not None
    assert not provider.agent_last_seen_ns


async def test_a_complaint_suppresses_with_its_own_reason(
    store: Store, seeded: Seeded
) -> None:
    """Once, and beside the end."""
    (uuid,) = await sent_to(store, seeded, "bob@x.example")
    complaint = Report(EventType.COMPLAINED, uuid)
    reports = (Report(D, uuid), complaint, complaint)
    assert await hand_in(store, seeded, *reports) == [True] * 3
    types = [D, EventType.COMPLAINED]
    assert [one.type for one in await told(store, types)] == types
    (entry,) = await store.read(list_suppressions, seeded.sub_account.id, limit=9)
    assert entry.reason is SuppressionReason.SPAM_COMPLAINT
    assert entry.delivery == uuid

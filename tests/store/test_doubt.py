from pathlib import Path

from appliance.core.attempt import Ending
from appliance.core.delivery import Copy, Settlement, State
from appliance.core.doubt import Wish, conclude
from appliance.core.event import Event, EventFilter, EventType
from appliance.core.ids import DeliveryId
from appliance.core.message import Request
from appliance.core.report import Report
from appliance.core.retry import RetryPlan
from appliance.store.attempts import list_attempts
from appliance.store.claim import claim
from appliance.store.database import Store
from appliance.store.deliveries import counts_by_state, next_due_ns, release, settle
from appliance.store.doubt import (
    ENDED,
    Dot,
    Rescued,
    list_overdue,
    next_overdue_ns,
    note_dots,
    rescue,
    settle_doubt,
    settle_doubts,
)
from appliance.store.events import list_events
from appliance.store.messages import accept, get_message
from appliance.store.reports import Batch, record_reports
from appliance.store.transaction import View
from tests.fakes.store import NOW_NS, Seeded, open_temp_store, seed, sent

PLENTY = 1_000_000
WAIT_NS = 600
PLAN = RetryPlan((60,))


async def claimed(store: Store, seeded: Seeded, number: int) -> list[Copy]:
    """So many deliveries in flight."""
    messages = tuple(seeded.message() for _ in range(number))
    await store.write_each(accept, Request(messages))
    return await store.write(claim, NOW_NS, number, PLENTY)


async def noted(store: Store, *copies: Copy) -> list[bool]:
    """The answers to their dots, noted in one commit."""
    return await store.write(note_dots, [Dot(one.id, NOW_NS) for one in copies])


async def in_doubt(store: Store, seeded: Seeded) -> Copy:
    """A delivery in doubt, as a crash leaves it."""
    (copy,) = await claimed(store, seeded, 1)
    await noted(store, copy)
    await store.write(rescue, NOW_NS, WAIT_NS)
    return copy


async def told(store: Store, kind: EventType) -> list[Event]:
    """The events of a kind."""
    wanted = EventFilter(types=frozenset({kind}))
    return await store.read(list_events, limit=100, wanted=wanted)


async def test_after_a_crash_exactly_what_was_noted_is_in_doubt(
    tmp_path: Path,
) -> None:
    """All else is due at once, what was settled stays so, and each doubt is told."""
    async with open_temp_store(tmp_path) as store:
        copies = await claimed(store, await seed(store), 4)
        assert await noted(store, copies[0], copies[1]) == [True, True]
        await store.write_each(settle, sent(copies[1]))
    async with open_temp_store(tmp_path) as store:
        assert await store.write(rescue, NOW_NS + 1, WAIT_NS) == Rescued(2, 1)
        assert await store.write(rescue, NOW_NS + 2, WAIT_NS) == Rescued(0, 0)
        (status,) = await store.read(get_message, copies[0].uuid)
        assert (status.state, status.attempts) == (State.IN_DOUBT, 1)
        assert await store.read(next_overdue_ns) == NOW_NS + 1 + WAIT_NS
        (event,) = await told(store, EventType.IN_DOUBT)
        assert event.about.delivery == copies[0].uuid
        assert "final dot" in str(event.data["reason"])
        (one,) = await store.read(list_attempts, copies[0].id)
        assert (one.provider, one.ending) == (copies[0].provider, Ending.IN_DOUBT)
        assert (one.began_ns, one.text) == (NOW_NS, ENDED)
        assert (one.connection, one.dialogue) == (None, ())
        again = await store.write(claim, NOW_NS + 10**9, 10, PLENTY)
        assert {one.id for one in again} == {copies[2].id, copies[3].id}


async def test_a_settlement_takes_the_note_away(store: Store, seeded: Seeded) -> None:
    """A later try that ends before its dot is not in doubt for an earlier one's."""
    (copy,) = await claimed(store, seeded, 1)
    await noted(store, copy)
    again = Settlement(copy.id, State.QUEUED, 1, due_ns=NOW_NS)
    assert await store.write_each(settle, again)
    await store.write(claim, NOW_NS, 1, PLENTY)
    assert await store.write(rescue, NOW_NS, WAIT_NS) == Rescued(1, 0)


async def test_a_dot_may_leave_only_for_what_is_in_flight(
    store: Store, seeded: Seeded
) -> None:
    """What the relay let go of, or never had, is not sent behind its back."""
    first, second = await claimed(store, seeded, 2)
    await store.write(release, [first.id], NOW_NS)
    dots = [Dot(one, NOW_NS) for one in (first.id, second.id, DeliveryId(99))]
    assert await store.write(note_dots, dots) == [False, True, False]


async def test_what_may_have_been_sent_is_not_released(
    store: Store, seeded: Seeded
) -> None:
    """It stays the relay's; the next start finds it in doubt."""
    copies = await claimed(store, seeded, 2)
    await noted(store, copies[0])
    assert await store.write(release, [one.id for one in copies], NOW_NS) == 1
    assert await store.write(rescue, NOW_NS, WAIT_NS) == Rescued(0, 1)


async def test_a_doubt_is_overdue_at_its_time_and_settled_once(
    store: Store, seeded: Seeded
) -> None:
    """It waits for evidence until then; afterwards the policy's word counts once."""
    copy = await in_doubt(store, seeded)
    assert await store.read(next_due_ns) is None
    assert await store.read(list_overdue, NOW_NS + WAIT_NS - 1, 10) == []
    (one,) = await store.read(list_overdue, NOW_NS + WAIT_NS, 10)
    assert (one.delivery, one.attempts) == (copy.id, 1)
    assert one.about.recipient == str(copy.recipient)
    item = conclude(one, Wish.RESEND, PLAN, NOW_NS + WAIT_NS)
    assert await store.write(settle_doubts, [item, item]) == [True, False]
    (again,) = await store.write(claim, NOW_NS + WAIT_NS, 1, PLENTY)
    assert (again.id, again.attempts, again.uuid) == (copy.id, 1, copy.uuid)
    assert len(await told(store, EventType.IN_DOUBT)) == 2


async def test_evidence_in_time_ends_the_doubt(store: Store, seeded: Seeded) -> None:
    """Sent for good, with one event, whatever evidence comes behind it."""
    copy = await in_doubt(store, seeded)
    for counts in (True, False):
        assert counts is await store.write(
            settle_doubt, copy.uuid, was_sent=True, evidence="log", now_ns=NOW_NS
        )
    assert len(await told(store, EventType.SENT)) == 1
    assert (await store.read(counts_by_state))[State.IN_DOUBT] == 0


async def test_evidence_that_it_was_not_sent_makes_it_due(
    store: Store, seeded: Seeded
) -> None:
    """At once, and not after the time that doubts wait."""
    copy = await in_doubt(store, seeded)
    assert await store.write(
        settle_doubt, copy.uuid, was_sent=False, evidence="log", now_ns=NOW_NS + 5
    )
    assert await store.read(next_due_ns) == NOW_NS + 5


async def test_evidence_about_what_is_not_in_doubt_changes_nothing(
    store: Store, seeded: Seeded
) -> None:
    """ATTACKS 24: a late or forged report cannot send, or send again."""
    (copy,) = await claimed(store, seeded, 1)
    for was_sent in (True, False):
        assert not await store.write(
            settle_doubt, copy.uuid, was_sent=was_sent, evidence="x", now_ns=NOW_NS
        )
    (status,) = await store.read(get_message, copy.uuid)
    assert status.state is State.IN_FLIGHT


async def test_doubts_are_found_without_the_queue(store: Store) -> None:
    """However many wait: one small index answers."""

    def plan(view: View) -> str:
        rows = view.db.execute(
            "EXPLAIN QUERY PLAN SELECT min(due_ns) FROM delivery"
            " WHERE state = 5 AND state <> 0 AND settled_ns IS NULL"
        )
        return str(rows.fetchall())

    assert "USING COVERING INDEX delivery_taken (state=?)" in await store.read(plan)


async def test_evidence_that_came_before_the_doubt_counts(
    store: Store, seeded: Seeded
) -> None:
    """The upstream's log was faster than the crash: no wish sends it again."""
    copies = await claimed(store, seeded, 3)
    await noted(store, *copies)
    reports = [
        Report(EventType.DELIVERED, copies[0].uuid),
        Report(EventType.DEFERRED, copies[1].uuid),
    ]
    batch = Batch(seeded.provider.id, tuple(reports), NOW_NS)
    assert await store.write_each(record_reports, batch) == [True, True]
    await store.write(rescue, NOW_NS, WAIT_NS)
    overdue = await store.read(list_overdue, NOW_NS + WAIT_NS, 10)
    assert [one.reported for one in overdue] == [True, True, False]
    settled = [conclude(one, Wish.RESEND, PLAN, NOW_NS) for one in overdue]
    assert [one.state for one in settled] == [State.SENT, State.SENT, State.QUEUED]
    assert await store.write(settle_doubts, settled) == [True] * 3

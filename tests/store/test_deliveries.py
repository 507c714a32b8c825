import sqlite3
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from appliance.core.delivery import Copy, Settlement, State
from appliance.core.doubt import Wish, conclude
from appliance.core.event import EventFilter, EventType
from appliance.core.ids import DeliveryId
from appliance.core.message import Request
from appliance.core.retry import RetryPlan
from appliance.store.claim import claim
from appliance.store.database import Store
from appliance.store.deliveries import (
    counts_by_state,
    next_due_ns,
    release,
    settle,
)
from appliance.store.doubt import (
    Dot,
    Rescued,
    list_overdue,
    note_dots,
    rescue,
    settle_doubts,
)
from appliance.store.events import list_events
from appliance.store.messages import accept, get_message
from appliance.store.migrations import migrate
from appliance.store.sealed import Sealer
from appliance.store.transaction import Tx, View
from tests.fakes.store import NOW_NS, Seeded, open_temp_store, seed, seed_in, sent

PLENTY = 1_000_000


async def claim_one(store: Store, seeded: Seeded) -> Copy:
    """A new message's delivery, in flight."""
    await store.write_each(accept, Request((seeded.message(),)))
    (copy,) = await store.write(claim, NOW_NS, 1, PLENTY)
    return copy


async def test_a_sent_delivery_is_finished_with_its_reply_and_event(
    store: Store, seeded: Seeded
) -> None:
    """State, reply, time and event are one commit."""
    copy = await claim_one(store, seeded)
    assert await store.write_each(settle, sent(copy))
    (status,) = await store.read(get_message, copy.uuid)
    assert (status.state, status.attempts, status.due_ns) == (State.SENT, 1, None)
    assert (status.last_code, status.last_text) == (250, "2.0.0 Ok")
    assert (status.settled_ns, status.provider) == (NOW_NS + 7, "upstream")
    _, last = await store.read(list_events, limit=10)
    assert (last.type, dict(last.data)) == (EventType.SENT, {"code": 250})


async def test_a_failed_try_is_due_again(store: Store, seeded: Seeded) -> None:
    """Back in the queue at its time, with the tries counted."""
    copy = await claim_one(store, seeded)
    later = Settlement(
        copy.id, State.QUEUED, 1, due_ns=NOW_NS + 60, code=451, text="no"
    )
    assert await store.write_each(settle, later)
    assert await store.read(next_due_ns) == NOW_NS + 60
    (again,) = await store.write(claim, NOW_NS + 60, 1, PLENTY)
    assert (again.id, again.attempts) == (copy.id, 1)


async def test_only_the_first_settlement_counts(store: Store, seeded: Seeded) -> None:
    """A second outcome, in the same commit or later, changes and says nothing."""
    copy = await claim_one(store, seeded)
    told: list[bool | Exception] = []
    for _ in range(3):
        store.write_later(settle, sent(copy), told.append)
    assert not await store.write_each(settle, sent(copy))
    assert told == [True, False, False]
    assert not await store.write_each(settle, sent(copy))
    events = await store.read(
        list_events, limit=10, wanted=EventFilter(types=frozenset({EventType.SENT}))
    )
    assert len(events) == 1


async def test_a_settlement_of_what_was_released_comes_too_late(
    store: Store, seeded: Seeded
) -> None:
    """What the relay let go of is not its own any more."""
    copy = await claim_one(store, seeded)
    assert await store.write(release, [copy.id], NOW_NS + 1) == 1
    assert not await store.write_each(settle, sent(copy))
    assert (
        await store.read(
            list_events, limit=10, wanted=EventFilter(types=frozenset({EventType.SENT}))
        )
        == []
    )
    (again,) = await store.write(claim, NOW_NS + 1, 1, PLENTY)
    assert (again.id, again.attempts) == (copy.id, 0)


async def test_releasing_what_is_not_claimed_changes_nothing(
    store: Store, seeded: Seeded
) -> None:
    """A finished delivery is not brought back, an unknown one not made."""
    copy = await claim_one(store, seeded)
    await store.write_each(settle, sent(copy))
    assert await store.write(release, [copy.id, DeliveryId(99)], NOW_NS) == 0
    assert await store.write(release, [], NOW_NS) == 0


@pytest.mark.parametrize(
    ("settlement", "error"),
    [
        (Settlement(DeliveryId(1), State.DROPPED, 1), ValueError),
        (Settlement(DeliveryId(1), State.QUEUED, 1), sqlite3.IntegrityError),
        (Settlement(DeliveryId(1), State.HELD, 1, due_ns=5), sqlite3.IntegrityError),
    ],
)
async def test_an_impossible_settlement_is_a_bug(
    store: Store, seeded: Seeded, settlement: Settlement, error: type[Exception]
) -> None:
    """Never finished without an event, nor queued without a time."""
    copy = await claim_one(store, seeded)
    assert copy.id == settlement.delivery
    with pytest.raises(error):
        await store.write_each(settle, settlement)
    assert (await store.read(counts_by_state))[State.IN_FLIGHT] == 1


async def test_what_a_dead_process_held_is_rescued(tmp_path: Path) -> None:
    """In flight at the end means due at the next start; the finished stay so."""
    async with open_temp_store(tmp_path) as store:
        seeded = await seed(store)
        await store.write_each(settle, sent(await claim_one(store, seeded)))
        await claim_one(store, seeded)
        await claim_one(store, seeded)
    async with open_temp_store(tmp_path) as store:
        assert await store.write(rescue, NOW_NS + 1, 0) == Rescued(2, 0)
        assert await store.write(rescue, NOW_NS + 1, 0) == Rescued(0, 0)
        assert len(await store.write(claim, NOW_NS + 1, 10, PLENTY)) == 2


async def test_the_unfinished_are_counted(store: Store, seeded: Seeded) -> None:
    """Queued, in flight and held; what is finished is history."""
    await store.write_each(settle, sent(await claim_one(store, seeded)))
    await claim_one(store, seeded)
    await store.write_each(
        accept, Request((seeded.message("a@x.example", "b@x.example"),))
    )
    assert await store.read(counts_by_state) == {
        State.QUEUED: 2,
        State.IN_FLIGHT: 1,
        State.HELD: 0,
        State.IN_DOUBT: 0,
    }


@pytest.mark.parametrize(
    ("sql", "step"),
    [
        (
            (
                "SELECT due_ns FROM delivery WHERE due_ns IS NOT NULL AND state = 0"
                " ORDER BY due_ns LIMIT 1"
            ),
            "USING COVERING INDEX delivery_due",
        ),
        (
            (
                "UPDATE delivery SET state = 0, due_ns = 1"
                " WHERE state = 1 AND state <> 0 AND settled_ns IS NULL"
            ),
            "USING INDEX delivery_taken",
        ),
    ],
)
async def test_start_and_sleep_do_not_grow_with_the_queue(
    store: Store, sql: str, step: str
) -> None:
    """Rescue and the next due time are answered by small indexes."""

    def plan(view: View) -> str:
        return str(view.db.execute("EXPLAIN QUERY PLAN " + sql).fetchall())

    assert step in await store.read(plan)


class Queue(RuleBasedStateMachine):
    """A delivery is in exactly one state, and its moves are those of the table."""

    def __init__(self) -> None:
        super().__init__()
        db = sqlite3.connect(":memory:", isolation_level=None)
        migrate(db)
        self.tx = Tx(db, Sealer(bytes(32)))
        self.seeded = seed_in(self.tx)
        self.now = NOW_NS
        self.claimed: dict[DeliveryId, Copy] = {}
        self.total = self.finished = 0

    def teardown(self) -> None:
        """Close the file."""
        self.tx.db.close()

    @rule()
    def accept(self) -> None:
        """New mail."""
        accept(self.tx, [Request((self.seeded.message(accepted_ns=self.now),))])
        self.total += 1

    @rule()
    def claim(self) -> None:
        """The relay has two free slots."""
        for copy in claim(self.tx, self.now, 2, PLENTY):
            assert copy.id not in self.claimed
            self.claimed[copy.id] = copy

    @rule()
    def send(self) -> None:
        """All that is in flight is sent, and said twice."""
        items = [sent(one) for one in self.claimed.values()]
        counted = settle(self.tx, items + items)
        assert counted == [True] * len(items) + [False] * len(items)
        self.finished += len(items)
        self.claimed.clear()

    @rule()
    def fail(self) -> None:
        """All that is in flight is due again later."""
        items = [
            Settlement(one.id, State.QUEUED, one.attempts + 1, due_ns=self.now + 5)
            for one in self.claimed.values()
        ]
        assert all(settle(self.tx, items))
        self.claimed.clear()

    @rule()
    def let_go(self) -> None:
        """The relay drains."""
        assert release(self.tx, list(self.claimed), self.now) == len(self.claimed)
        self.claimed.clear()

    @rule()
    def restart(self) -> None:
        """The process is another one; it may have sent the first it held."""
        noted = list(self.claimed)[:1]
        if noted:
            assert note_dots(self.tx, [Dot(noted[0], self.now)]) == [True]
        told = rescue(self.tx, self.now, 5)
        assert told == Rescued(len(self.claimed) - len(noted), len(noted))
        self.claimed.clear()

    @rule()
    def lose_patience(self) -> None:
        """What is in doubt and overdue is sent again."""
        overdue = list_overdue(self.tx, self.now, 10)
        plan = RetryPlan((1,) * 100)
        items = [conclude(one, Wish.RESEND, plan, self.now) for one in overdue]
        assert all(settle_doubts(self.tx, items))

    @rule()
    def wait(self) -> None:
        """Time goes by."""
        self.now += 5

    @invariant()
    def nothing_is_lost(self) -> None:
        """Every delivery is queued, in flight or finished."""
        counts = counts_by_state(self.tx)
        assert counts[State.IN_FLIGHT] == len(self.claimed)
        assert sum(counts.values()) + self.finished == self.total


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)

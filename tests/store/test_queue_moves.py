import sqlite3

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from appliance.core.delivery import Copy, State
from appliance.core.event import Event, EventFilter, EventType
from appliance.core.ids import DeliveryId
from appliance.core.message import Request
from appliance.core.pool import Pool, by_shares
from appliance.core.provider import Security
from appliance.core.queue import (
    EVERYTHING,
    TOUCHES,
    UNFINISHED,
    Act,
    Order,
    QueueFilter,
    Tally,
    Waiting,
)
from appliance.store.claim import claim
from appliance.store.database import Store
from appliance.store.deliveries import counts_by_state, settle
from appliance.store.doubt import rescue
from appliance.store.events import list_events
from appliance.store.messages import accept
from appliance.store.migrations import migrate
from appliance.store.pools import add_pool
from appliance.store.providers import NewProvider, add_provider
from appliance.store.queue import find_waiting, list_waiting
from appliance.store.queue_moves import change_waiting
from appliance.store.sealed import Sealer
from appliance.store.transaction import Tx
from tests.fakes.store import NOW_NS, Seeded, seed_in, sent

PLENTY = 1_000_000
LATER_NS = NOW_NS + 10**9
_WITH_DUE = {State.QUEUED, State.IN_DOUBT}


def another_pool(tx: Tx) -> Pool:
    """A second pool with a provider of its own."""
    new = NewProvider("other", host="127.0.0.1", port=26, security=Security.NONE)
    provider = add_provider(tx, new)
    assert provider is not None
    pool = add_pool(tx, by_shares("other", [(provider.id, 100)]))
    assert isinstance(pool, Pool)
    return pool


def bring(tx: Tx, state: State, due_ns: int, waits_for: str) -> None:
    """Bring all deliveries where the relay or an operator would."""
    dot_ns = NOW_NS if state is State.IN_DOUBT else None
    tx.db.execute(
        "UPDATE delivery SET state = ?, due_ns = ?, dot_ns = ?, waits_for = ?",
        (int(state), due_ns if state in _WITH_DUE else None, dot_ns, waits_for),
    )


async def waiting(
    store: Store,
    seeded: Seeded,
    state: State,
    *,
    due_ns: int = LATER_NS,
    waits_for: str = "",
) -> DeliveryId:
    """A delivery that waits in that state, drawn a provider by then."""
    await store.write_each(accept, Request((seeded.message(),)))
    (copy,) = await store.write(claim, NOW_NS, 1, PLENTY)
    await store.write(bring, state, due_ns, waits_for)
    return copy.id


async def do(store: Store, order: Order, *ids: int, now_ns: int = NOW_NS) -> Tally:
    """What an order did with these deliveries."""
    deliveries = [DeliveryId(one) for one in ids]
    return await store.write(change_waiting, order, deliveries, now_ns)


async def look(store: Store, number: DeliveryId) -> Waiting:
    """How it stands now."""
    (one,) = await store.read(
        list_waiting, EVERYTHING, 1, now_ns=NOW_NS, after=number - 1
    )
    return one


async def told(store: Store) -> list[Event]:
    """What became known apart from its acceptance."""
    events = await store.read(list_events, EventFilter(), limit=100)
    return [one for one in events if one.type is not EventType.PROCESSED]


@pytest.mark.parametrize("act", Act)
@pytest.mark.parametrize("state", sorted(UNFINISHED))
async def test_an_act_touches_what_its_table_says(
    store: Store, seeded: Seeded, act: Act, state: State
) -> None:
    """All else is left as it is and counted so; in flight it is the relay's."""
    pool = await store.write(another_pool)
    number = await waiting(store, seeded, state)
    before = await look(store, number)
    tally = await do(store, Order(act, EVERYTHING, pool.id), number)
    if state in TOUCHES[act]:
        assert tally == Tally(changed=1)
        return
    assert tally == (
        Tally(in_flight=1) if state is State.IN_FLIGHT else Tally(unchanged=1)
    )
    assert await look(store, number) == before
    assert await told(store) == []


async def test_what_is_held_is_not_due(store: Store, seeded: Seeded) -> None:
    """The relay does not see it, and it says whom it waits for."""
    number = await waiting(store, seeded, State.QUEUED)
    await do(store, Order(Act.HOLD, EVERYTHING), number)
    assert await store.write(claim, LATER_NS, 1, PLENTY) == []
    held = await look(store, number)
    assert (held.state, held.due_ns) == (State.HELD, None)
    assert held.waits_for == "Held by the operator"


async def test_what_is_released_is_due_now(store: Store, seeded: Seeded) -> None:
    """With the tries it had and the provider it was on."""
    number = await waiting(store, seeded, State.HELD, waits_for="Held")
    await do(store, Order(Act.RELEASE, EVERYTHING), number)
    assert (await look(store, number)).waits_for == ""
    (copy,) = await store.write(claim, NOW_NS, 1, PLENTY)
    assert (copy.id, copy.attempts, copy.provider) == (number, 0, seeded.provider.id)


async def test_a_retry_is_due_now(store: Store, seeded: Seeded) -> None:
    """What is due already keeps its place before it."""
    number = await waiting(store, seeded, State.QUEUED)
    order = Order(Act.RETRY, EVERYTHING)
    assert await do(store, order, number) == Tally(changed=1)
    assert await do(store, order, number, now_ns=NOW_NS + 5) == Tally(unchanged=1)
    assert (await look(store, number)).due_ns == NOW_NS


async def test_a_retry_does_not_lift_what_else_holds_it(
    store: Store, seeded: Seeded
) -> None:
    """Why it waits is still told, so that nobody wonders."""
    why = "provider upstream is down"
    number = await waiting(store, seeded, State.QUEUED, waits_for=why)
    await do(store, Order(Act.RETRY, EVERYTHING), number)
    assert (await look(store, number)).waits_for == why


async def test_what_is_dropped_ends_with_an_event(store: Store, seeded: Seeded) -> None:
    """Exactly one, with the reason, the pool and the provider of its last try."""
    number = await waiting(store, seeded, State.QUEUED)
    order = Order(Act.DROP, EVERYTHING)
    assert await do(store, order, number) == Tally(changed=1)
    assert await do(store, order, number) == Tally()
    assert await store.read(find_waiting, EVERYTHING, 9) == []
    (event,) = await told(store)
    assert (event.type, event.at_ns) == (EventType.DROPPED, NOW_NS)
    assert dict(event.data) == {"reason": "Dropped by the operator", "attempt": 0}
    about = event.about
    assert (about.pool, about.provider) == ("main", "upstream")
    assert (about.sender, about.recipient) == (
        "news@sender.example",
        "rcpt@other.example",
    )


async def test_what_is_moved_is_drawn_anew(store: Store, seeded: Seeded) -> None:
    """From the other pool's providers, at the time at which it was due."""
    pool = await store.write(another_pool)
    number = await waiting(store, seeded, State.QUEUED)
    order = Order(Act.MOVE, EVERYTHING, pool.id)
    assert await do(store, order, number) == Tally(changed=1)
    assert await do(store, order, number) == Tally(unchanged=1)
    moved = await look(store, number)
    assert (moved.pool, moved.provider, moved.due_ns) == ("other", "", LATER_NS)
    (copy,) = await store.write(claim, LATER_NS, 1, PLENTY)
    assert (copy.pool, copy.provider) == (pool.id, pool.members[0])


async def test_what_is_moved_away_from_a_limit_is_due_now(
    store: Store, seeded: Seeded
) -> None:
    """What it waited for was of its old pool."""
    pool = await store.write(another_pool)
    number = await waiting(store, seeded, State.QUEUED, waits_for="is down")
    await do(store, Order(Act.MOVE, EVERYTHING, pool.id), number)
    moved = await look(store, number)
    assert (moved.due_ns, moved.waits_for) == (NOW_NS, "")


async def test_what_is_held_stays_held_when_it_is_moved(
    store: Store, seeded: Seeded
) -> None:
    """A move is no release."""
    pool = await store.write(another_pool)
    number = await waiting(store, seeded, State.HELD, waits_for="Held")
    await do(store, Order(Act.MOVE, EVERYTHING, pool.id), number)
    moved = await look(store, number)
    assert (moved.state, moved.pool, moved.waits_for) == (State.HELD, "other", "Held")
    assert moved.provider == ""  # who empties a provider means it no longer
    await do(store, Order(Act.RELEASE, EVERYTHING), number)
    (copy,) = await store.write(claim, NOW_NS, 1, PLENTY)
    assert (copy.pool, copy.provider) == (pool.id, pool.members[0])


@pytest.mark.parametrize(
    ("act", "type_", "data"),
    [
        (Act.HOLD, EventType.IN_DOUBT, ("hold", "Held by the operator")),
        (Act.RETRY, EventType.IN_DOUBT, ("resend", "Sent again by the operator")),
        (Act.DROP, EventType.DROPPED, (None, "Dropped by the operator")),
    ],
)
async def test_each_way_out_of_doubt_is_an_event(
    store: Store, seeded: Seeded, act: Act, type_: EventType, data: tuple[str, str]
) -> None:
    """And the doubt is gone: a crash after it does not bring it back."""
    number = await waiting(store, seeded, State.IN_DOUBT)
    assert await do(store, Order(act, EVERYTHING), number) == Tally(changed=1)
    (event,) = await told(store)
    assert event.type is type_
    assert (event.data.get("policy"), event.data["reason"]) == data
    if act is Act.RETRY:
        await store.write(claim, NOW_NS, 1, PLENTY)
        await store.write(rescue, NOW_NS, 0)
        assert (await look(store, number)).state is State.QUEUED


async def test_what_fits_no_longer_is_left(store: Store, seeded: Seeded) -> None:
    """Between finding and changing it, it may have failed for another reason."""
    number = await waiting(store, seeded, State.QUEUED)
    order = Order(Act.DROP, QueueFilter(reason="greylisted"))
    assert await do(store, order, number) == Tally()
    wanted = QueueFilter(states=frozenset({State.HELD}))
    assert await do(store, Order(Act.DROP, wanted), number) == Tally()
    assert (await look(store, number)).state is State.QUEUED


async def test_only_what_is_named_is_changed(store: Store, seeded: Seeded) -> None:
    """A filter that fits others too says nothing about them."""
    first = await waiting(store, seeded, State.QUEUED)
    await store.write_each(accept, Request((seeded.message(),)))
    assert await do(store, Order(Act.HOLD, EVERYTHING), first, 99) == Tally(changed=1)
    found = await store.read(list_waiting, EVERYTHING, 9, now_ns=NOW_NS)
    states = [one.state for one in found]
    assert states == [State.HELD, State.QUEUED]


class Desk(RuleBasedStateMachine):
    """An operator at work beside the relay loses nothing and doubles nothing."""

    def __init__(self) -> None:
        super().__init__()
        db = sqlite3.connect(":memory:", isolation_level=None)
        migrate(db)
        self.tx = Tx(db, Sealer(bytes(32)))
        self.seeded = seed_in(self.tx)
        self.pools = [self.seeded.pool.id, another_pool(self.tx).id]
        self.now = NOW_NS
        self.claimed: dict[DeliveryId, Copy] = {}
        self.total = self.ended = 0

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
        """All that is in flight is sent, whatever the operator did meanwhile."""
        items = [sent(one) for one in self.claimed.values()]
        assert all(settle(self.tx, items))
        self.ended += len(items)
        self.claimed.clear()

    @rule()
    def doubt(self) -> None:
        """The wire broke behind a final dot."""
        for copy in list(self.claimed.values())[:1]:
            self.tx.db.execute(
                "UPDATE delivery SET state = 5, due_ns = ?, dot_ns = ? WHERE id = ?",
                (self.now + 9, self.now, self.claimed.pop(copy.id).id),
            )

    @rule(act=st.sampled_from(Act), which=st.integers(0, 1))
    def act(self, act: Act, which: int) -> None:
        """The operator's order, on all there is."""
        before = counts_by_state(self.tx)
        found = find_waiting(self.tx, EVERYTHING, 100)
        order = Order(act, EVERYTHING, self.pools[which])
        tally = change_waiting(self.tx, order, found, self.now)
        assert tally.in_flight == before[State.IN_FLIGHT]
        touched = sum(before[state] for state in TOUCHES[act])
        assert tally.changed <= touched
        if act in {Act.HOLD, Act.RELEASE, Act.DROP}:
            assert tally.changed == touched
        self.ended += tally.changed if act is Act.DROP else 0

    @rule()
    def wait(self) -> None:
        """Time goes by."""
        self.now += 5

    @invariant()
    def nothing_is_lost(self) -> None:
        """Every delivery is in the queue, the relay's, or at its one end."""
        counts = counts_by_state(self.tx)
        assert counts[State.IN_FLIGHT] == len(self.claimed)
        assert sum(counts.values()) + self.ended == self.total
        ends = [one for one in self.tx._events if one.type in _ENDS]
        assert len(ends) == self.ended


_ENDS = {EventType.SENT, EventType.DROPPED}
TestDesk = Desk.TestCase
TestDesk.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)

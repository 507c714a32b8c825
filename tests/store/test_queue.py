from dataclasses import dataclass
from uuid import UUID

import pytest

from appliance.core.delivery import Settlement, State
from appliance.core.ids import SubAccountId
from appliance.core.message import NewMessage, Request
from appliance.core.queue import EVERYTHING, NOT_DRAWN, By, QueueFilter
from appliance.store.claim import claim
from appliance.store.database import Store
from appliance.store.deliveries import settle
from appliance.store.messages import accept
from appliance.store.queue import (
    count_waiting,
    find_unknown,
    find_waiting,
    last_delivery,
    list_waiting,
)
from appliance.store.transaction import Tx, View
from tests.fakes.store import NOW_NS, Seeded, sent

PLENTY = 1_000_000
MINUTE_NS = 60 * 10**9


def set_state(tx: Tx, number: int, state: State, reason: str = "") -> None:
    """Bring a delivery where the relay or an operator would."""
    due_ns = NOW_NS if state in {State.QUEUED, State.IN_DOUBT} else None
    tx.db.execute(
        "UPDATE delivery SET state = ?, due_ns = ?, waits_for = ? WHERE id = ?",
        (int(state), due_ns, reason, number),
    )


@dataclass(frozen=True, slots=True)
class Queue:
    """A store and the messages in it."""

    store: Store
    messages: list[NewMessage]


@pytest.fixture
async def queue(store: Store, seeded: Seeded) -> Queue:
    """Seven deliveries of five messages, one in each state; 6 failed once.

    1 sent, 2 in flight, 3 held, 4 in doubt, 5 to 7 queued, of which 7 is new.
    """
    messages = [
        seeded.message("one@a.example"),
        seeded.message("two@a.example", "three@b.example"),
        seeded.message("four@b.example", accepted_ns=NOW_NS + MINUTE_NS),
        seeded.message("five@a.example", "six@c.example"),
        seeded.message("seven@c.example"),
    ]
    for message in messages[:4]:
        await store.write_each(accept, Request((message,)))
    copies = await store.write(claim, NOW_NS + MINUTE_NS, 10, PLENTY)
    by_id = {copy.id: copy for copy in copies}
    await store.write_each(settle, sent(by_id[min(by_id)]))
    for number, state in ((3, State.HELD), (4, State.IN_DOUBT), (5, State.QUEUED)):
        await store.write(set_state, number, state)
    again = Settlement(
        sorted(by_id)[5], State.QUEUED, 1, NOW_NS + 9, 451, "4.7.1 Greylisted, try"
    )
    assert await store.write_each(settle, again)
    await store.write_each(accept, Request((messages[4],)))
    return Queue(store, messages)


async def found(queue: Queue, wanted: QueueFilter) -> list[int]:
    """The row ids that a filter finds."""
    return [int(one) for one in await queue.store.read(find_waiting, wanted, 100)]


async def test_what_is_finished_is_not_in_the_queue(queue: Queue) -> None:
    """Queued, in flight, held and in doubt, in the order in which they came in."""
    assert await found(queue, EVERYTHING) == [2, 3, 4, 5, 6, 7]
    sent_one = QueueFilter(delivery=queue.messages[0].deliveries[0].uuid)
    assert await found(queue, sent_one) == []
    assert await queue.store.read(last_delivery) == 7


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (QueueFilter(states=frozenset({State.QUEUED})), [5, 6, 7]),
        (QueueFilter(states=frozenset({State.IN_FLIGHT})), [2]),
        (QueueFilter(states=frozenset({State.HELD, State.IN_DOUBT})), [3, 4]),
        (QueueFilter(states=frozenset({State.HELD, State.QUEUED})), [3, 5, 6, 7]),
        (QueueFilter(provider="upstream"), [2, 3, 4, 5, 6]),
        (QueueFilter(provider=NOT_DRAWN), [7]),
        (QueueFilter(provider="nosuch"), []),
        (QueueFilter(pool="main"), [2, 3, 4, 5, 6, 7]),
        (QueueFilter(pool="nosuch"), []),
        (QueueFilter(domain="a.example"), [2, 5]),
        (QueueFilter(domain="example"), []),
        (QueueFilter(sender_domain="sender.example"), [2, 3, 4, 5, 6, 7]),
        (QueueFilter(sender_domain="ender.example"), []),
        (QueueFilter(reason="greylisted"), [6]),
        (QueueFilter(reason="%"), []),
        (QueueFilter(before_ns=NOW_NS + MINUTE_NS), [2, 3, 5, 6, 7]),
        (QueueFilter(sub_account=SubAccountId(1), domain="c.example"), [6, 7]),
        (QueueFilter(sub_account=SubAccountId(2)), []),
        (QueueFilter(message=UUID(int=7)), []),
        (QueueFilter(delivery=UUID(int=7)), []),
        (QueueFilter(domain="c.example", reason="4.7.1"), [6]),
    ],
    ids=str,
)
async def test_a_filter_finds_what_all_its_parts_want(
    queue: Queue, wanted: QueueFilter, numbers: list[int]
) -> None:
    """Each part narrows; text is text, with no wildcard in it."""
    assert await found(queue, wanted) == numbers


async def test_ids_name_a_message_or_one_copy(queue: Queue) -> None:
    """A message is all of its copies, though its id is that of the first."""
    first, second = (one.uuid for one in queue.messages[1].deliveries)
    assert await found(queue, QueueFilter(message=first)) == [2, 3]
    assert await found(queue, QueueFilter(message=second)) == []
    assert await found(queue, QueueFilter(delivery=first)) == [2]
    assert await found(queue, QueueFilter(delivery=second)) == [3]
    other = QueueFilter(message=first, delivery=queue.messages[3].deliveries[0].uuid)
    assert await found(queue, other) == []


async def test_the_reason_is_also_what_it_waits_for(queue: Queue) -> None:
    """Of more interest than how the last try ended, where there is both."""
    await queue.store.write(set_state, 6, State.QUEUED, "provider upstream is down")
    assert await found(queue, QueueFilter(reason="Upstream Is Down")) == [6]
    assert await found(queue, QueueFilter(reason="greylisted")) == [6]
    _, counts = await queue.store.read(count_waiting, EVERYTHING, By.REASON)
    assert counts == {"": 5, "provider upstream is down": 1}


async def test_pages_follow_one_another(queue: Queue) -> None:
    """``after`` and ``until`` cut the queue by the numbers of deliveries."""
    assert await queue.store.read(find_waiting, EVERYTHING, 2) == [2, 3]
    assert await queue.store.read(find_waiting, EVERYTHING, 2, after=3) == [4, 5]
    assert await queue.store.read(find_waiting, EVERYTHING, 9, after=3, until=5) == [
        4,
        5,
    ]
    assert await queue.store.read(find_waiting, EVERYTHING, 9, after=7) == []


async def test_a_list_shows_where_each_stands(queue: Queue) -> None:
    """Who, by whom, since when, until when and why."""
    six, seven = await queue.store.read(
        list_waiting, EVERYTHING, 9, now_ns=NOW_NS, after=5
    )
    assert (six.number, six.uuid) == (6, queue.messages[3].deliveries[1].uuid)
    assert six.message == queue.messages[3].deliveries[0].uuid
    assert (six.sender, six.recipient) == ("news@sender.example", "six@c.example")
    assert (six.pool, six.provider, six.subject) == ("main", "upstream", "Hello")
    assert (six.state, six.attempts, six.due_ns) == (State.QUEUED, 1, NOW_NS + 9)
    assert (six.last_code, six.last_text) == (451, "4.7.1 Greylisted, try")
    assert (six.created_ns, six.waits_for) == (NOW_NS, "")
    assert (seven.number, seven.provider, seven.attempts) == (7, "", 0)


@pytest.mark.parametrize(
    ("by", "counts"),
    [
        (By.STATE, {"queued": 3, "in_flight": 1, "held": 1, "in_doubt": 1}),
        (By.PROVIDER, {"upstream": 5, "": 1}),
        (By.POOL, {"main": 6}),
        (By.DOMAIN, {"a.example": 2, "b.example": 2, "c.example": 2}),
        (By.REASON, {"": 5, "4.7.1 Greylisted, try": 1}),
    ],
)
async def test_the_queue_is_counted_by_what_matters(
    queue: Queue, by: By, counts: dict[str, int]
) -> None:
    """The most frequent first; what has none is under ""."""
    assert await queue.store.read(count_waiting, EVERYTHING, by) == (6, counts)


async def test_an_empty_queue_counts_to_nothing(store: Store) -> None:
    """No group, no error."""
    for by in By:
        assert await store.read(count_waiting, EVERYTHING, by) == (0, {})


async def test_names_that_are_not_known_are_told(store: Store, seeded: Seeded) -> None:
    """A typo must not look like an empty queue."""

    async def wrong(**words: str) -> str:
        return await store.read(find_unknown, QueueFilter(**words))  # type: ignore[arg-type]

    assert await wrong() == ""
    assert await wrong(provider=seeded.provider.name, pool=seeded.pool.name) == ""
    assert await wrong(provider=NOT_DRAWN) == ""
    assert await wrong(provider="main") == "there is no provider main"
    assert await wrong(pool=NOT_DRAWN) == "there is no pool -"


async def test_history_is_never_read(queue: Queue) -> None:
    """With a hundred million finished deliveries a look costs what it costs today."""
    steps: list[str] = []

    def explained(view: View, wanted: QueueFilter) -> None:
        def keep(sql: str) -> None:
            if sql.startswith("SELECT"):
                statements.append(sql)

        statements: list[str] = []
        view.db.set_trace_callback(keep)
        find_waiting(view, wanted, 10)
        for by in By:
            count_waiting(view, wanted, by)
        view.db.set_trace_callback(None)
        for sql in statements:
            plan = view.db.execute("EXPLAIN QUERY PLAN " + sql).fetchall()
            steps.extend(step for *_, step in plan)

    for wanted in (
        EVERYTHING,
        QueueFilter(message=UUID(int=7)),
        QueueFilter(delivery=UUID(int=7)),
        QueueFilter(pool="main", sender_domain="sender.example"),
    ):
        await queue.store.read(explained, wanted)
    scans = {step for step in steps if step.startswith("SCAN d")}
    assert scans == {f"SCAN d USING INDEX delivery_{one}" for one in ("due", "taken")}
    assert not [step for step in steps if step.startswith("SCAN message")]

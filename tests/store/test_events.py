import dataclasses
from dataclasses import replace
from itertools import combinations
from uuid import UUID

import pytest

from appliance.core.event import About, Event, EventFilter, EventType, NewEvent
from appliance.core.ids import EventNumber, SubAccountId, uuid7
from appliance.core.message import Request
from appliance.core.submission import Dimensions
from appliance.store.database import Store
from appliance.store.events import last_number, list_events, span
from appliance.store.messages import accept
from appliance.store.transaction import Tx, View
from tests.fakes.store import Seeded


async def test_readers_page_by_number(store: Store, seeded: Seeded) -> None:
    """Behind a number come the next ones, in order, as many as asked for."""
    assert await store.read(last_number) == 0
    await store.write_each(accept, Request(tuple(seeded.message() for _ in range(5))))
    page = await store.read(list_events, after=1, limit=2)
    assert [one.number for one in page] == [2, 3]
    assert await store.read(list_events, after=5, limit=2) == []
    assert await store.read(last_number) == 5


async def test_events_are_found_by_type_message_and_sub_account(
    store: Store, seeded: Seeded
) -> None:
    """The UUID may be the message's or that of one delivery."""
    pair = seeded.message("a@x.example", "b@x.example", dropped="no")
    await store.write_each(accept, Request((seeded.message(), pair)))

    async def numbers(wanted: EventFilter, after: int = 0) -> list[EventNumber]:
        found = await store.read(list_events, wanted, after=after, limit=99)
        return [one.number for one in found]

    def of_types(*types: EventType, message: UUID | None = None) -> EventFilter:
        return EventFilter(frozenset(types), message)

    first, second = (one.uuid for one in pair.deliveries)
    assert await numbers(EventFilter(message=first)) == [2, 3, 4, 5]
    assert await numbers(EventFilter(message=second)) == [4, 5]
    assert await numbers(of_types(EventType.DROPPED, message=second)) == [5]
    assert await numbers(of_types(EventType.DROPPED)) == [3, 5]
    assert await numbers(of_types(EventType.SENT, EventType.PROCESSED)) == [1, 2, 4]
    assert await numbers(EventFilter(message=uuid7())) == []
    own = EventFilter(sub_account=seeded.sub_account.id)
    assert await numbers(own, after=4) == [5]
    assert await numbers(EventFilter(sub_account=SubAccountId(99))) == []


async def test_a_search_can_be_bounded(store: Store, seeded: Seeded) -> None:
    """Nothing behind the upper number is looked at."""
    await store.write_each(accept, Request(tuple(seeded.message() for _ in range(5))))
    page = await store.read(list_events, after=1, upto=3, limit=9)
    assert [one.number for one in page] == [2, 3]


async def test_the_last_come_first_the_other_way_round(
    store: Store, seeded: Seeded
) -> None:
    """The same events, from the other end."""
    await store.write_each(accept, Request(tuple(seeded.message() for _ in range(5))))
    page = await store.read(list_events, after=1, upto=4, limit=2, newest_first=True)
    assert [one.number for one in page] == [4, 3]


FILTERS = (
    EventFilter(types=frozenset({EventType.SENT})),
    EventFilter(message=UUID(int=7)),
    EventFilter(sub_account=SubAccountId(2)),
    EventFilter(recipient="BOB@rcpt.example"),
    EventFilter(recipient="\u212aim@rcpt.example"),  # Kelvin sign: no k for SQLite
    EventFilter(group="vip"),
    EventFilter(tag='a"b'),
    EventFilter(topic="news"),
    EventFilter(campaign="spring"),
    EventFilter(pool="main"),
    EventFilter(provider="mta"),
    EventFilter(since_ns=20),
    EventFilter(until_ns=20),
)


def _emit(tx: Tx) -> None:
    """Events that differ in one thing each."""
    attached = Dimensions(("vip", "old"), ('a"b',), "news", "spring", {"k": "v"})
    usual = About(
        SubAccountId(2),
        UUID(int=7),
        UUID(int=8),
        "a@x.example",
        "Bob@rcpt.example",
        "main",
        "mta",
        attached,
    )
    others = [
        usual,
        replace(usual, sub_account=SubAccountId(1)),
        replace(usual, message=UUID(int=6), delivery=UUID(int=7)),
        replace(usual, message=UUID(int=6)),
        replace(usual, recipient="kim@rcpt.example"),
        replace(usual, pool=""),
        replace(usual, provider="MTA"),
        replace(usual, dimensions=Dimensions(tags=("vip",))),
        replace(usual, dimensions=Dimensions()),
    ]
    for at_ns, about in enumerate(others, 15):
        tx.emit(NewEvent(EventType.SENT, at_ns, about))
        tx.emit(NewEvent(EventType.OPENED, at_ns, about))


@pytest.mark.parametrize("narrow", [False, True])
async def test_the_log_and_memory_agree_on_what_is_wanted(
    store: Store, *, narrow: bool
) -> None:
    """ATTACKS 12: a filter lets the same through, wherever the event is read."""
    await store.write(_emit)
    every: list[Event] = await store.read(list_events, limit=99)
    wanted = [*FILTERS]
    if narrow:
        wanted = [_both(*pair) for pair in combinations(FILTERS, 2)]
    for one in wanted:
        found = await store.read(list_events, one, limit=99)
        assert found == [event for event in every if one.accepts(event)], one


def _both(one: EventFilter, other: EventFilter) -> EventFilter:
    usual = EventFilter()
    fields = (field.name for field in dataclasses.fields(EventFilter))
    values = {name: getattr(other, name) for name in fields}
    changed = {
        name: value for name, value in values.items() if value != getattr(usual, name)
    }
    return replace(one, **changed)


async def test_a_span_of_time_is_a_span_of_numbers(store: Store) -> None:
    """Told late or not: every event of the time is in it."""
    about = About(SubAccountId(1), UUID(int=1), UUID(int=1), "", "")

    def emit(tx: Tx) -> None:
        for at_ns in (10, 20, 15, 30, 12, 40):
            tx.emit(NewEvent(EventType.SENT, at_ns, about))

    await store.write(emit)
    assert await store.read(span, EventFilter()) == (0, 6)
    assert await store.read(span, EventFilter(since_ns=20)) == (1, 6)
    assert await store.read(span, EventFilter(since_ns=11, until_ns=21)) == (1, 5)
    assert await store.read(span, EventFilter(since_ns=50)) == (0, 0)


async def test_no_page_is_a_walk_over_the_log(store: Store) -> None:
    """Numbers bound every look; messages and times have an index (the plan says so)."""

    def plan(view: View, wanted: EventFilter) -> str:
        told: list[str] = []
        view.db.set_trace_callback(told.append)
        list_events(view, wanted, after=1, upto=9, limit=2)
        span(view, wanted)
        view.db.set_trace_callback(None)
        rows = (view.db.execute(f"EXPLAIN QUERY PLAN {one}") for one in told)
        return "; ".join(row[3] for found in rows for row in found)

    for wanted in FILTERS:
        steps = await store.read(plan, wanted)
        assert "SCAN event" not in steps, steps
        assert "TEMP B-TREE FOR ORDER BY" not in steps, steps
    by_message = await store.read(plan, FILTERS[1])
    assert "event_message" in by_message
    assert "event_delivery" in by_message
    assert "USING COVERING INDEX event_at" in await store.read(plan, FILTERS[-1])

import trio

from appliance.core.engagement import BURST, TOO_SOON_NS, Tally
from appliance.core.event import EventFilter, EventType
from appliance.core.ids import uuid7
from appliance.core.message import Request
from appliance.core.suppression import Scope, SuppressionReason
from appliance.store.claim import claim
from appliance.store.database import Store
from appliance.store.deliveries import settle
from appliance.store.engagement import Engagement, get_tally, record_engagement
from appliance.store.events import list_events
from appliance.store.messages import accept
from appliance.store.suppressions import list_suppressions
from tests.fakes.store import NOW_NS, Seeded, sent


async def test_the_first_open_and_click_are_marked(
    store: Store, seeded: Seeded
) -> None:
    """Unique counts need no second look at the log, in one commit or in several."""
    message = seeded.message()
    uuid = message.deliveries[0].uuid
    await store.write_each(accept, Request((message,)))
    await store.write(claim, NOW_NS, 1, 1_000_000)
    for _ in range(2):
        async with trio.open_nursery() as nursery:
            for kind in (EventType.OPENED, EventType.CLICKED, EventType.OPENED):
                item = Engagement(kind, uuid, NOW_NS, {"ua": "\x00<b>"})
                nursery.start_soon(store.write_each, record_engagement, item)
    events = await store.read(
        list_events,
        limit=99,
        wanted=EventFilter(types=frozenset({EventType.OPENED, EventType.CLICKED})),
    )
    firsts = [one.type for one in events if one.data.get("first")]
    assert sorted(firsts) == [EventType.OPENED, EventType.CLICKED]
    assert len(events) == 6
    assert all(one.data["ua"] == "\x00<b>" for one in events)
    assert {one.data["verdict"] for one in events} == {"scanner", "prefetch"}
    about = events[0].about
    assert (about.delivery, about.pool, about.provider) == (uuid, "main", "upstream")


async def test_an_unknown_delivery_records_nothing(
    store: Store, seeded: Seeded
) -> None:
    """ATTACKS 18: an invented id costs a look-up and leaves no trace."""
    message = seeded.message()
    await store.write_each(accept, Request((message,)))
    answers = await store.write(
        record_engagement,
        [
            Engagement(EventType.OPENED, uuid7(), NOW_NS),
            Engagement(EventType.OPENED, message.deliveries[0].uuid, NOW_NS),
            Engagement(EventType.UNSUBSCRIBED, uuid7(), NOW_NS),
        ],
    )
    assert [one is None for one in answers] == [True, False, True]
    assert len(await store.read(list_events, limit=99)) == 2
    assert await store.write(record_engagement, []) == []


async def test_an_unsubscribe_suppresses_its_recipient_once(
    store: Store, seeded: Seeded
) -> None:
    """ATTACKS 17: the delivery's own recipient, nobody else; repeating is no error."""
    message = seeded.message("Bob@x.example", "other@x.example")
    await store.write_each(accept, Request((message,)))
    item = Engagement(EventType.UNSUBSCRIBED, message.deliveries[0].uuid, NOW_NS)
    first = await store.write_each(record_engagement, item)
    again = await store.write_each(record_engagement, item)
    assert first == again is not None
    (suppressed,) = await store.read(list_suppressions, seeded.sub_account.id, limit=10)
    assert suppressed.address == "bob@x.example"
    assert suppressed.reason is SuppressionReason.UNSUBSCRIBE
    events = await store.read(
        list_events,
        limit=9,
        wanted=EventFilter(types=frozenset({EventType.UNSUBSCRIBED})),
    )
    assert [one.about.recipient for one in events] == ["Bob@x.example"]


async def test_who_leaves_a_topic_leaves_that_topic_only(
    store: Store, seeded: Seeded
) -> None:
    """Spec anypost 11.2: once each; the copy that was the cause is kept."""
    messages = [seeded.message("bob@x.example", topic=one) for one in ("a", "b", "a")]
    await store.write_each(accept, Request(tuple(messages)))
    for one in messages:
        uuid = one.deliveries[0].uuid
        item = Engagement(EventType.UNSUBSCRIBED, uuid, NOW_NS)
        await store.write_each(record_engagement, item)
    found = await store.read(list_suppressions, seeded.sub_account.id, limit=9)
    assert [one.scope for one in found] == [Scope("a"), Scope("b")]
    assert found[0].delivery == messages[0].deliveries[0].uuid


async def test_hits_are_counted_in_all_and_by_people(
    store: Store, seeded: Seeded
) -> None:
    """What comes too soon behind the sending, or is known for a machine, is none."""
    message = seeded.message()
    uuid = message.deliveries[0].uuid
    await store.write_each(accept, Request((message,)))
    (copy,) = await store.write(claim, NOW_NS, 1, 1_000_000)
    assert await store.read(get_tally, copy.id) is None
    opened, clicked = EventType.OPENED, EventType.CLICKED
    await store.write_each(record_engagement, Engagement(opened, uuid, NOW_NS + 9))
    await store.write_each(settle, sent(copy))
    later = NOW_NS + 7 + TOO_SOON_NS  # it left at 7
    hits = [
        Engagement(opened, uuid, later - 1),
        Engagement(opened, uuid, later),
        Engagement(clicked, uuid, later, said=BURST),
        Engagement(clicked, uuid, later),
        Engagement(clicked, uuid, later + 1),
    ]
    await store.write(record_engagement, hits)
    assert await store.read(get_tally, copy.id) == Tally(3, 1, 3, 2)
    wanted = EventFilter(types=frozenset({opened, clicked}))
    events = await store.read(list_events, limit=99, wanted=wanted)
    told = [
        (one.data["verdict"], "first" in one.data, "firstHuman" in one.data)
        for one in events
    ]
    assert told == [
        ("prefetch", True, False),
        ("prefetch", False, False),
        ("human", False, True),
        ("scanner", True, False),
        ("human", False, True),
        ("human", False, False),
    ]

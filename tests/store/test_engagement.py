import trio

from appliance.core.event import EventFilter, EventType
from appliance.core.ids import uuid7
from appliance.core.message import Request
from appliance.core.suppression import SuppressionReason
from appliance.store.claim import claim
from appliance.store.database import Store
from appliance.store.engagement import Engagement, record_engagement
from appliance.store.events import list_events
from appliance.store.messages import accept
from appliance.store.suppressions import list_suppressions
from tests.fakes.store import NOW_NS, Seeded


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

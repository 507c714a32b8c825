from uuid import UUID

from appliance.core.event import EventFilter, EventType
from appliance.core.ids import EventNumber, SubAccountId, uuid7
from appliance.core.message import Request
from appliance.store.database import Store
from appliance.store.events import last_number, list_events
from appliance.store.messages import accept
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

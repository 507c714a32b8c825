from appliance.core.event import EventType
from appliance.core.message import Request
from appliance.core.submission import Content
from appliance.store.claim import claim
from appliance.store.database import Store
from appliance.store.deliveries import settle
from appliance.store.engagement import Engagement, record_engagement
from appliance.store.events import last_number, list_events
from appliance.store.messages import accept, list_recent
from appliance.store.retention import Pruned, prune
from appliance.store.transaction import View
from tests.fakes.store import NOW_NS, SENDER, Seeded, sent

DAY_NS = 86_400 * 10**9


async def prune_all(store: Store, days_later: int, batch: int = 100) -> Pruned:
    """A pass that keeps a day of everything."""
    return await store.write(
        prune,
        NOW_NS + days_later * DAY_NS,
        keep_events_ns=DAY_NS,
        keep_messages_ns=DAY_NS,
        keep_keys_ns=DAY_NS,
        batch=batch,
    )


async def send_all(store: Store) -> None:
    """Whatever is due is sent."""
    for copy in await store.write(claim, NOW_NS, 1000, 1_000_000):
        await store.write_each(settle, sent(copy))


def count_contents(view: View) -> int:
    """How many bodies are stored."""
    return int(view.db.execute("SELECT count(*) FROM content").fetchone()[0])


async def test_finished_mail_goes_with_its_body_when_it_is_old(
    store: Store, seeded: Seeded
) -> None:
    """Not a moment before its time, and wholly then."""
    await store.write_each(
        accept, Request((seeded.message("a@x.example", "b@x.example"),))
    )
    await send_all(store)
    assert await prune_all(store, 1) == Pruned(0, 0, 0, 0)
    assert await prune_all(store, 2) == Pruned(4, 1, 2, 1)
    assert await prune_all(store, 2) == Pruned(0, 0, 0, 0)
    assert await store.read(list_recent, 10) == []


async def test_mail_that_is_not_finished_is_never_pruned(
    store: Store, seeded: Seeded
) -> None:
    """However old: queued and in flight both stay, with their bodies."""
    await store.write_each(accept, Request((seeded.message(), seeded.message())))
    await store.write(claim, NOW_NS, 1, 1_000_000)
    assert await prune_all(store, 1000) == Pruned(2, 0, 0, 0)
    assert len(await store.read(list_recent, 10)) == 2
    assert await store.read(count_contents) == 1


async def test_a_body_stays_while_one_message_needs_it(
    store: Store, seeded: Seeded
) -> None:
    """Messages of one request share a body; the last one takes it along."""
    content = Content(SENDER, "", text="shared")
    done = seeded.message(content=content, dropped="no")
    await store.write_each(accept, Request((done, seeded.message(content=content))))
    assert (await prune_all(store, 2)).contents == 0
    await send_all(store)
    assert (await prune_all(store, 4)).contents == 1


async def test_a_pass_is_small_and_passes_come_to_an_end(
    store: Store, seeded: Seeded
) -> None:
    """Sending is not held up by a large clean-up."""
    messages = tuple(seeded.message(dropped="no") for _ in range(25))
    await store.write_each(accept, Request(messages))
    passes = [await prune_all(store, 2, batch=10)]
    while passes[-1] != Pruned(0, 0, 0, 0):
        passes.append(await prune_all(store, 2, batch=10))
    assert max(one.messages for one in passes) == 10
    assert max(one.events for one in passes) == 10
    assert sum(one.messages for one in passes) == 25
    assert sum(one.events for one in passes) == 50


async def test_numbers_are_not_used_again_after_pruning(
    store: Store, seeded: Seeded
) -> None:
    """A cursor from before the clean-up is still right after it."""
    await store.write_each(accept, Request((seeded.message(dropped="no"),)))
    await prune_all(store, 2)
    assert await store.read(last_number) == 2
    await store.write_each(accept, Request((seeded.message(),)))
    (event,) = await store.read(list_events, limit=10)
    assert event.number == 3


async def test_counts_of_hits_go_with_their_mail(store: Store, seeded: Seeded) -> None:
    """Nothing is left of what nobody can open any more."""
    message = seeded.message()
    await store.write_each(accept, Request((message,)))
    uuid = message.deliveries[0].uuid
    hit = Engagement(EventType.OPENED, uuid, NOW_NS)
    await store.write_each(record_engagement, hit)
    await send_all(store)
    assert (await prune_all(store, 2)).deliveries == 1
    assert await store.read(count_tallies) == 0


def count_tallies(view: View) -> int:
    """How many deliveries have counts."""
    return int(view.db.execute("SELECT count(*) FROM engagement").fetchone()[0])

"""Whose word makes a mail delivered, where that is told once."""

from dataclasses import replace

import pytest

from appliance.core.event import EventType, NewEvent
from appliance.core.message import Request
from appliance.core.provider import DeliveredBy
from appliance.store.about import about_deliveries
from appliance.store.database import Store
from appliance.store.delivered_by import note_agent
from appliance.store.messages import accept
from appliance.store.providers import update_provider
from appliance.store.transaction import Tx
from appliance.store.webhook_facts import load_page, load_spans
from tests.fakes.store import NOW_NS, seed

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS


async def arrivals(store: Store) -> list[str]:
    """The events by which the mail counts as delivered."""
    page = await store.read(load_page, 0, 100)
    return [one.event.type.label for one in page.facts if one.arrival]


@pytest.mark.parametrize(
    ("agent_ns", "expected"),
    [(None, ["sent"]), (NOW_NS - MINUTE_NS, ["delivered"]), (NOW_NS, ["sent"])],
)
async def test_the_agents_word_counts_for_mail_sent_since_it_reports(
    store: Store, agent_ns: int | None, expected: list[str]
) -> None:
    """Never both, whichever is read first; without an agent it is the 2xx."""
    seeded = await seed(store)
    message = seeded.message()
    await store.write_each(accept, Request((message,)))

    def tell(tx: Tx) -> None:
        uuid = message.deliveries[0].uuid
        tx.db.execute("UPDATE delivery SET provider = ?", (seeded.provider.id,))
        about = about_deliveries(tx, [uuid.bytes])[uuid]
        if agent_ns is not None:
            note_agent(tx, seeded.provider.id, agent_ns)
        for type_, at_ns in (
            (EventType.SENT, NOW_NS),
            (EventType.DELIVERED, NOW_NS + 5),
        ):
            tx.emit(NewEvent(type_, at_ns, about))

    await store.write(tell)
    assert await arrivals(store) == expected


async def test_the_operator_may_decide_otherwise(store: Store) -> None:
    """For mail that is sent from then on; what was sent before stays as it was."""
    seeded = await seed(store)
    id_ = seeded.provider.id
    await store.write(note_agent, id_, NOW_NS)
    (before,) = (await store.read(load_spans)).values()
    assert before.holds(NOW_NS + MINUTE_NS)
    plain = replace(seeded.provider, delivered_by=DeliveredBy.UPSTREAM)
    stored = await store.write(update_provider, id_, plain)
    assert stored is not None
    assert stored.delivered_by is DeliveredBy.UPSTREAM
    (after,) = (await store.read(load_spans)).values()
    assert after.holds(NOW_NS + MINUTE_NS)
    assert not after.holds(2**62)
    agent = replace(seeded.provider, delivered_by=DeliveredBy.AGENT)
    await store.write(update_provider, id_, agent)
    (again,) = (await store.read(load_spans)).values()
    assert again.holds(2**62)

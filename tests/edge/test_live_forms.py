"""The formats of the websocket, by a real log."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.core.event import Event, EventType, NewEvent
from appliance.core.message import Request
from appliance.edge.live_forms import forms_of
from appliance.flow.facts import event_facts
from appliance.store.database import Store
from appliance.store.events import list_events
from appliance.store.messages import accept
from appliance.store.transaction import Tx
from tests.fakes.store import NOW_NS, open_temp_store, seed


class Log:
    """A store in which one mail was processed and one more thing happened."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def happen(self, type_: EventType, **data: str | int) -> list[Event]:
        """Let it happen; all events."""
        (first,) = await self.store.read(list_events, limit=1)

        def emit(tx: Tx) -> None:
            tx.emit(NewEvent(type_, NOW_NS, first.about, data))

        await self.store.write(emit)
        return await self.store.read(list_events, limit=10)

    async def told(self, form: str, events: list[Event]) -> list[object]:
        """What the format makes of them, None for what it does not tell."""
        texts = await forms_of(self.store)[form].render(events)
        return [json.loads(text) if text else None for text in texts]


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Log]:
    """One for the time of a test."""
    async with open_temp_store(tmp_path) as store:
        seeded = await seed(store)
        await store.write_each(accept, Request((seeded.message(),)))
        yield Log(store)


async def test_our_own_format_is_that_of_the_event_api(log: Log) -> None:
    """Word for word."""
    events = await log.happen(EventType.SENT, code=250)
    assert await log.told("postroom", events) == [event_facts(one) for one in events]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("anypost", ["email.sent", "email.delivered"]),
        ("postscale", ["email.sent", "email.delivered"]),
    ],
)
async def test_a_dialect_is_told_as_by_its_webhooks(
    log: Log, form: str, words: list[str]
) -> None:
    """Its payload with what the mail adds, and our number beside it."""
    frames = await log.told(form, await log.happen(EventType.SENT, code=250))
    assert [one["number"] for one in frames if isinstance(one, dict)] == [1, 2]
    payloads = [one["payload"] for one in frames if isinstance(one, dict)]
    assert [one["type"] for one in payloads] == words
    assert all(one["data"]["subject"] == "Hello" for one in payloads)


async def test_the_variants_of_a_payload_are_formats_of_their_own(log: Log) -> None:
    """Two spellings of an id, or one of them."""
    events = await log.happen(EventType.SENT)
    spellings = {"sendpost": {1, 0}, "sendpost-v1": {1}, "sendpost-legacy": {0}}
    for form, wanted in spellings.items():
        (frame, _) = await log.told(form, events)
        assert isinstance(frame, dict)
        event = frame["payload"]["event"]
        assert ("eventId" in event, "eventID" in event) == (1 in wanted, 0 in wanted)


async def test_what_a_dialect_does_not_tell_is_not_told(log: Log) -> None:
    """An upstream that went down is nobody's mail."""
    events = await log.happen(EventType.PROVIDER_DOWN)
    for form in ("sendpost", "anypost", "postscale"):
        assert (await log.told(form, events))[1] is None

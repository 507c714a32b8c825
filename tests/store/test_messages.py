import sqlite3
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from appliance.core.delivery import State
from appliance.core.event import EventType
from appliance.core.ids import ContentId, uuid7
from appliance.core.message import Request
from appliance.core.submission import Content
from appliance.store.database import Store
from appliance.store.events import list_events
from appliance.store.messages import Stored, accept, get_message, list_recent
from appliance.store.transaction import View
from tests.fakes.store import CONTENT, NOW_NS, SENDER, Seeded, open_temp_store, seed


def count_contents(view: View) -> int:
    """How many bodies are stored."""
    return int(view.db.execute("SELECT count(*) FROM content").fetchone()[0])


async def test_an_accepted_message_is_there_after_reopening(tmp_path: Path) -> None:
    """What accept returned for is on disk, with all that a list shows."""
    async with open_temp_store(tmp_path) as store:
        seeded = await seed(store)
        message = seeded.message("a@x.example", "b@x.example")
        assert await store.write_each(accept, Request((message,))) == Stored(
            (ContentId(1),)
        )
    async with open_temp_store(tmp_path) as store:
        first, second = await store.read(get_message, message.deliveries[1].uuid)
    assert (first.recipient, second.recipient) == ("a@x.example", "b@x.example")
    assert first.message == second.message == message.deliveries[0].uuid
    assert (first.state, first.due_ns, first.settled_ns) == (State.QUEUED, NOW_NS, None)
    assert (first.subject, first.sender) == ("Hello", "news@sender.example")
    assert (first.pool, first.provider, first.attempts) == ("main", "", 0)


async def test_every_delivery_is_processed_and_a_dropped_one_dropped_behind_it(
    store: Store, seeded: Seeded
) -> None:
    """The events come in this order, and the reason is in the second."""
    plain = seeded.message("a@x.example", "b@x.example")
    dropped = seeded.message("c@x.example", dropped="suppressed")
    await store.write_each(accept, Request((plain, dropped)))
    events = await store.read(list_events, limit=10)
    assert [(one.type, one.about.recipient, dict(one.data)) for one in events] == [
        (EventType.PROCESSED, "a@x.example", {}),
        (EventType.PROCESSED, "b@x.example", {}),
        (EventType.PROCESSED, "c@x.example", {}),
        (EventType.DROPPED, "c@x.example", {"reason": "suppressed"}),
    ]
    assert events[1].about.message == plain.deliveries[0].uuid
    assert events[1].about.delivery == plain.deliveries[1].uuid
    (status,) = await store.read(get_message, dropped.deliveries[0].uuid)
    assert (status.state, status.due_ns) == (State.DROPPED, None)
    assert (status.last_text, status.settled_ns) == ("suppressed", NOW_NS)


async def test_content_that_messages_share_is_stored_once(
    store: Store, seeded: Seeded
) -> None:
    """A request to a thousand recipients holds one body; an equal copy is another."""
    messages = tuple(seeded.message(f"u{n}@x.example") for n in range(20))
    stored = await store.write_each(accept, Request(messages))
    assert isinstance(stored, Stored)
    assert len(stored.contents) == 20
    assert await store.read(count_contents) == 1
    await store.write_each(accept, Request((seeded.message(content=replace(CONTENT)),)))
    assert await store.read(count_contents) == 2


async def test_a_request_is_stored_as_a_whole_or_not_at_all(
    store: Store, seeded: Seeded
) -> None:
    """A door answers once; half a request is never on disk."""
    good = seeded.message()
    twice = replace(seeded.message(), deliveries=good.deliveries)
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        await store.write_each(accept, Request((good, twice)))
    assert await store.read(get_message, good.deliveries[0].uuid) == []
    assert await store.read(list_events, limit=10) == []


async def test_hostile_text_is_kept_as_it_is(store: Store, seeded: Seeded) -> None:
    """ATTACKS 19: what is stored is what came in; who shows it escapes it."""
    subject = "'; DROP TABLE message; --\x00<script>\u2028"
    await store.write_each(
        accept, Request((seeded.message(content=Content(SENDER, subject, text="x")),))
    )
    (status,) = await store.read(list_recent, 10)
    assert status.subject == subject


async def test_the_newest_come_first(store: Store, seeded: Seeded) -> None:
    """A list for people, as long as they asked."""
    for number in range(5):
        await store.write_each(
            accept, Request((seeded.message(f"u{number}@x.example"),))
        )
    shown = [one.recipient for one in await store.read(list_recent, 3)]
    assert shown == ["u4@x.example", "u3@x.example", "u2@x.example"]


async def test_an_unknown_uuid_finds_nothing(store: Store) -> None:
    """Neither a guess nor a zero has deliveries."""
    assert await store.read(get_message, uuid7()) == []
    assert await store.read(get_message, UUID(int=0)) == []

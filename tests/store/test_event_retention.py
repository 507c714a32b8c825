"""Forgetting by kind: opens and clicks before other events, bodies before mails."""

from pathlib import Path

import pytest

from appliance.core.event import About, EventType, NewEvent
from appliance.core.ids import SubAccountId, uuid7
from appliance.core.message import Request
from appliance.core.submission import Content
from appliance.store import retention
from appliance.store.chain_check import Stand, check_chain
from appliance.store.claim import claim
from appliance.store.contents import load_contents
from appliance.store.database import Store
from appliance.store.deliveries import settle
from appliance.store.events import list_events
from appliance.store.messages import Stored, accept
from appliance.store.retention import NEVER_NS, Pruned, prune, prune_bodies
from appliance.store.stats import count_next
from appliance.store.transaction import Tx, View
from tests.fakes.store import NOW_NS, SENDER, Seeded, open_temp_store, seed, sent

DAY_NS = 86_400 * 10**9


def emit(tx: Tx, kinds: str, at_ns: int = NOW_NS) -> None:
    """Events of one mail, a letter each: s(ent), o(pened), c(licked)."""
    about = About(SubAccountId(1), uuid7(), uuid7(), "a@x.example", "b@y.example")
    types = {"s": EventType.SENT, "o": EventType.OPENED, "c": EventType.CLICKED}
    for letter in kinds:
        tx.emit(NewEvent(types[letter], at_ns, about))


async def prune_engagement(store: Store, batch: int = 100) -> Pruned:
    """A pass two days later that keeps opens for a day, all else for nine."""
    return await store.write(
        prune,
        NOW_NS + 2 * DAY_NS,
        keep_events_ns=9 * DAY_NS,
        keep_engagement_ns=DAY_NS,
        keep_messages_ns=9 * DAY_NS,
        keep_keys_ns=DAY_NS,
        batch=batch,
    )


async def numbers(store: Store) -> list[int]:
    """What is in the log."""
    return [one.number for one in await store.read(list_events, limit=1000)]


async def test_opens_and_clicks_go_sooner(store: Store) -> None:
    """And nothing else; the log knows which numbers it has forgotten."""
    await store.write(emit, "soocsccs")
    await store.write(emit, "ooo", NOW_NS + 2 * DAY_NS)
    assert (await prune_engagement(store)).events == 5
    assert await numbers(store) == [1, 5, 8, 9, 10, 11]
    stand = await store.read(check_chain, Stand(), 100)
    assert (stand.checked, stand.forgotten, stand.faults) == (6, 5, ())
    assert (await prune_engagement(store)).events == 0


async def test_a_pass_over_opens_is_small(store: Store) -> None:
    """It goes on where the last one stopped, through long stretches without any."""
    await store.write(emit, "o" * 5 + "s" * 30 + "o")
    await store.write(count_next, 100)
    passes = [await prune_engagement(store, batch=2)]
    while passes[-1].more:
        passes.append(await prune_engagement(store, batch=2))
    assert max(one.events for one in passes) == 2
    assert sum(one.events for one in passes) == 6
    assert await numbers(store) == list(range(6, 36))


async def test_forgotten_numbers_are_remembered_in_one_piece(store: Store) -> None:
    """However they went, the oldest are one row in the end."""
    await store.write(emit, "sosocs")
    await prune_engagement(store)
    await store.write(
        prune,
        NOW_NS + 20 * DAY_NS,
        keep_events_ns=DAY_NS,
        keep_messages_ns=DAY_NS,
        keep_keys_ns=DAY_NS,
        batch=2,
    )
    stand = await store.read(check_chain, Stand(), 100)
    assert (stand.checked, stand.forgotten, stand.faults) == (1, 5, ())

    def gone(view: View) -> list[tuple[int, int]]:
        return view.db.execute("SELECT first, last FROM event_gone").fetchall()

    assert await store.read(gone) == [(1, 5)]


async def test_bodies_go_before_their_mails(store: Store, seeded: Seeded) -> None:
    """Finished mail keeps its rows; unfinished mail, and what it shares, its body."""
    shared = Content(SENDER, "", text="shared")
    done = Content(SENDER, "", text="done" * 1000)
    messages = (
        seeded.message(content=done),
        seeded.message(content=shared),
        seeded.message(content=shared, dropped="no"),
    )
    answer = await store.write_each(accept, Request(messages))
    (copy, *_) = await store.write(claim, NOW_NS, 1, 1_000_000)
    await store.write_each(settle, sent(copy))
    before_ns = NOW_NS + DAY_NS
    emptied, place = await store.write(prune_bodies, before_ns, (0, 0), 2)
    assert (emptied, place) == (1, (NOW_NS, 2))
    assert await store.write(prune_bodies, before_ns, (NOW_NS, 2), 2) == (0, None)
    assert isinstance(answer, Stored)
    ids = sorted(set(answer.contents))
    left = await store.read(load_contents, ids)
    assert [*left.values()] == [shared]
    assert await store.write(prune_bodies, NOW_NS, (0, 0), 2) == (0, None)


async def test_the_file_shrinks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is free beyond a reserve goes back to the file system, some at a time."""
    monkeypatch.setattr(retention, "_SPARE_PAGES", 20)
    monkeypatch.setattr(retention, "_PAGES_AT_ONCE", 50)
    async with open_temp_store(tmp_path) as store:
        seeded = await seed(store)
        content = Content(SENDER, "", text="x" * 1_000_000)
        await store.write_each(
            accept, Request((seeded.message(content=content, dropped="no"),))
        )

        def pages(view: View) -> int:
            return int(view.db.execute("PRAGMA page_count").fetchone()[0])

        full = await store.read(pages)
        passes = 1
        while (
            await store.write(
                prune,
                NOW_NS + 2 * DAY_NS,
                keep_events_ns=DAY_NS,
                keep_messages_ns=DAY_NS,
                keep_keys_ns=DAY_NS,
                keep_engagement_ns=NEVER_NS,
                batch=10,
            )
        ).more:
            passes += 1
        assert passes > 3
        assert full - await store.read(pages) > 150

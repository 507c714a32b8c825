"""The chain of the log, broken by whoever can write the file."""

import sqlite3
from pathlib import Path

import pytest

from appliance.core.message import NewMessage, Request
from appliance.store import migrations
from appliance.store.chain_check import Break, Fault, Stand, check_chain
from appliance.store.database import Store
from appliance.store.messages import accept
from appliance.store.migrations import migrate, schema_steps
from appliance.store.retention import prune
from appliance.store.sealed import Sealer
from appliance.store.transaction import Tx, View
from tests.fakes.store import NOW_NS, SEALING_KEY, Seeded

DAY_NS = 86_400 * 10**9


async def emit(store: Store, seeded: Seeded, commits: int = 3) -> None:
    """Four events a commit."""
    for at in range(commits):
        one = seeded.message(dropped="no", accepted_ns=NOW_NS + at * DAY_NS)
        await store.write_each(accept, Request((one, one_more(seeded, at))))


def one_more(seeded: Seeded, at: int) -> NewMessage:
    """A mail that is not dropped."""
    return seeded.message("x@y.example", dropped="", accepted_ns=NOW_NS + at * DAY_NS)


async def check(store: Store, page: int = 100) -> Stand:
    """The whole log, with the faults of all pages."""
    stand = Stand()
    faults: list[Fault] = []
    while True:
        stand = await store.read(check_chain, stand, page)
        faults += stand.faults
        if stand.done:
            return Stand(
                stand.number,
                stand.before,
                stand.checked,
                stand.unchained,
                stand.forgotten,
                tuple(faults),
                stand.last,
            )


def run(tx: Tx, sql: str, *values: object) -> None:
    """What an intruder does."""
    tx.db.execute(sql, values)


async def test_a_log_that_nobody_touched_is_whole(store: Store, seeded: Seeded) -> None:
    """Whatever the size of the pages, over many commits; an empty one too."""
    assert (await check(store)).faults == ()
    await emit(store, seeded)
    for page in (1, 2, 3, 9, 100):
        stand = await check(store, page)
        assert (stand.checked, stand.number, stand.faults) == (9, 9, ())


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("UPDATE event SET recipient = 'eve@x.example' WHERE number = 5", 5),
        ("UPDATE event SET at_ns = at_ns + 1 WHERE number = 1", 1),
        ("UPDATE event SET data = '{}' WHERE number = 2", 2),
        ("UPDATE event SET dimensions = '{\"tags\":[]}' WHERE number = 9", 9),
        ("UPDATE event SET pool = '', provider = pool WHERE number = 4", 4),
    ],
)
async def test_a_changed_event_is_found(
    store: Store, seeded: Seeded, sql: str, fault: int
) -> None:
    """Whatever column it was, and no other is blamed."""
    await emit(store, seeded)
    await store.write(run, sql)
    for page in (2, 100):
        assert (await check(store, page)).faults == (
            Fault(Break.CHANGED, fault, fault),
        )


async def test_a_new_hash_does_not_hide_a_change(store: Store, seeded: Seeded) -> None:
    """The next event knows the old one; so does every hash that is emptied."""
    await emit(store, seeded)
    await store.write(run, "UPDATE event SET hash = x'00' WHERE number = 3")
    assert {one.first for one in (await check(store)).faults} == {3, 4}
    await store.write(run, "UPDATE event SET hash = x''")
    assert len((await check(store)).faults) == 9


@pytest.mark.parametrize(
    "where", ["number = 1", "number BETWEEN 4 AND 6", "number = 9"]
)
@pytest.mark.parametrize("page", [2, 100])
async def test_a_gap_is_found(
    store: Store, seeded: Seeded, where: str, page: int
) -> None:
    """At either end and between; what is behind it fits no longer, or is not there."""
    await emit(store, seeded)
    await store.write(run, "UPDATE stat_stand SET counted = 99")  # else it is not let
    await store.write(run, f"DELETE FROM event WHERE {where}")  # noqa: S608
    faults = (await check(store, page)).faults
    missing = {
        number
        for one in faults
        if one.kind is Break.MISSING
        for number in range(one.first, one.last + 1)
    }
    expected = {"number = 1": {1}, "number = 9": {9}}.get(where, {4, 5, 6})
    assert missing == expected


async def test_what_was_pruned_is_no_gap(store: Store, seeded: Seeded) -> None:
    """The chain is checked from the oldest that is kept, by the hash before it."""
    await emit(store, seeded)
    await store.write(
        prune,
        NOW_NS + 2 * DAY_NS,
        keep_events_ns=int(DAY_NS * 1.5),
        keep_messages_ns=10 * DAY_NS,
        keep_keys_ns=DAY_NS,
        batch=100,
    )
    stand = await check(store, 2)
    assert (stand.forgotten, stand.checked, stand.faults) == (3, 6, ())
    await store.write(run, "UPDATE event SET sender = '' WHERE number = 4")
    assert (await check(store)).faults == (Fault(Break.CHANGED, 4, 4),)


async def test_the_chain_goes_on_when_all_was_pruned(
    store: Store, seeded: Seeded
) -> None:
    """The next event hangs on one that is no longer there."""
    await emit(store, seeded)
    await store.write(
        prune,
        NOW_NS + 9 * DAY_NS,
        keep_events_ns=DAY_NS,
        keep_messages_ns=DAY_NS,
        keep_keys_ns=DAY_NS,
        batch=100,
    )
    assert (await check(store)).forgotten == 9
    await emit(store, seeded, 1)
    stand = await check(store)
    assert (stand.forgotten, stand.checked, stand.faults) == (9, 3, ())
    await store.write(run, "UPDATE event_gone SET hash = x''")
    assert (await check(store)).faults == (Fault(Break.CHANGED, 10, 10),)


def test_events_from_before_the_chain_are_counted_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have no hash; the first that has one follows them all the same."""
    db = sqlite3.connect(tmp_path / "old.db", isolation_level=None)
    steps = schema_steps()
    before = next(at for at, one in enumerate(steps) if "event_gone" in one)
    monkeypatch.setattr(migrations, "schema_steps", lambda: steps[:before])
    migrate(db)
    old = "INSERT INTO event VALUES (?, 58, 1, 1, x'', x'', '', '', '', '', '{}', '')"
    db.executemany(old, [(7,), (8,)])  # six are forgotten
    monkeypatch.setattr(migrations, "schema_steps", lambda: steps)
    migrate(db)
    stand = check_chain(View(db, Sealer(SEALING_KEY)), Stand(), 10)
    assert (stand.unchained, stand.forgotten, stand.faults) == (2, 6, ())
    db.close()
